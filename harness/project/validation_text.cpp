#include <fmt/format.h>

#include <algorithm>

#include "harness/project/projection_text.h"

namespace assay {
namespace {

std::string factors_text(const Validation& v) {
  std::string out = "Fitted, each shared by all rows of its kind (none is a row's own):\n";
  for (const auto& f : v.factors)
    out += fmt::format("  {:.3f}  {}, on {} rows: {}\n", f.value, f.name, f.fitted_on.size(),
                       fmt::join(f.fitted_on, ", "));
  return out +
         "  A row marked * fitted one of them: its error is that of a fit without it. The others were never "
         "fitted.\n\n";
}

std::string runs_text(const Validation& v) {
  std::string out = fmt::format("{:<30}{:>11}{:>11}{:>9}  {}\n", "run", "published", "projected", "error",
                                "tokens/s a GPU, published");
  std::string group;
  for (const auto& each : v.runs) {
    if (each.run->group != group) out += (group = each.run->group) + "\n";
    out += fmt::format("  {:<29}{}{:>8.3f} s{:>8.3f} s{:>+7.1f} %{}  {:.4g}\n", each.run->id,
                       each.run->calibrates ? '*' : ' ', each.run->step_seconds, each.projected_seconds,
                       100 * each.error(), each.inside() ? ' ' : '!',
                       tokens_per_second_per_gpu(each.run->setup, each.run->step_seconds));
  }
  return out;
}

const char* verdict(bool passed) { return passed ? "met" : "MISSED"; }

/// How often the printed interval holds what was published.
std::string coverage_text(const Validation& v) {
  std::string out =
      "Intervals of 90 %, each row's from the other sets' rows of its kind (published over projected, 5th to 95th\n"
      "percentile, sets weigh alike); those marked ! lie outside:\n";
  std::size_t all_rows = 0, all_inside = 0;
  for (const RunKind kind : {RunKind::dense, RunKind::experts, RunKind::short_experts}) {
    std::size_t rows = 0, inside = 0;
    for (const auto& each : v.runs)
      if (each.kind == kind) ++rows, inside += each.inside() ? 1 : 0;
    if (rows == 0) continue;
    const ErrorBand all = error_band(shipped_validation().runs, kind);
    out += fmt::format("  {:<23}{:>3} of {:>3} inside ({:.0f} %); a plan of that kind gets {:+.1f} to {:+.1f} %\n",
                       name_of(kind), inside, rows, 100 * double(inside) / double(rows), 100 / (1 + all.faster) - 100,
                       100 * all.slower);
    all_rows += rows, all_inside += inside;
  }
  return out + fmt::format("  {:<23}{:>3} of {:>3} inside ({:.0f} %)\n", "all", all_inside, all_rows,
                           100 * double(all_inside) / double(all_rows));
}

std::string groups_text(const Validation& v) {
  std::string out = fmt::format("\n{:<24}{:>5}{:>17}{:>9}{:>9}{:>8}  {}\n", "step time", "rows", "mean |error|", "bias",
                                "worst", "inside", "bar");
  for (const auto& g : v.groups)
    out += fmt::format("{:<24}{:>5}{:>15.1f} %{:>+7.1f} %{:>7.1f} %{:>8}  {}\n", g.name, g.rows, 100 * g.mean_absolute,
                       100 * g.bias, 100 * g.worst, g.inside,
                       g.bar > 0 ? fmt::format("{:.0f} %: {}", 100 * g.bar, verdict(g.passed())) : "none");
  return out + coverage_text(v);
}

std::string orders_text(const Validation& v) {
  if (v.orders.empty()) return {};
  std::string out =
      fmt::format("\n{:<56}{:>10}{:>10}\n", "which is faster, and how much a GPU", "published", "projected");
  for (const auto& o : v.orders)
    out += fmt::format("{:<56}{:>10.2f}{:>10.2f}  {}\n", o.pair.faster + " over " + o.pair.slower, o.published,
                       o.projected, o.passed() ? "right" : "WRONG");
  return out;
}

std::string flops_text(const Validation& v) {
  if (v.flops.empty()) return {};
  std::string out = fmt::format("\n{:<44}{:<16}{:>10}{:>10}{:>9}  {}\n", "GFLOP of a token", "convention", "published",
                                "counted", "off", "bar 1 %");
  for (const auto& f : v.flops)
    out += fmt::format("{:<44}{:<16}{:>10.1f}{:>10.1f}{:>+7.2f} %  {}\n", f.what, name_of(f.convention),
                       f.published / 1e9, f.counted / 1e9, 100 * (f.counted / f.published - 1), verdict(f.passed()));
  return out;
}

std::string assumed_text(const Validation& v) {
  std::string out;
  for (const auto& each : v.runs)
    if (!each.run->assumed.empty()) out += fmt::format("  {}: {}\n", each.run->id, each.run->assumed);
  return out.empty() ? out : "\nAssumed, where the source does not say:\n" + out;
}

}  // namespace

std::string validation_text(const Validation& v) {
  const bool any = !v.orders.empty() || !v.flops.empty() ||
                   std::any_of(v.groups.begin(), v.groups.end(), [](const auto& group) { return group.bar > 0; });
  const char* end = !any ? "No bar is set for these rows." : v.passed() ? "Every bar is met." : "A bar is missed.";
  return factors_text(v) + runs_text(v) + groups_text(v) + orders_text(v) + flops_text(v) + assumed_text(v) + "\n" +
         end + "\n";
}

}  // namespace assay
