#include "harness/publish/export/nccl_tests.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string_view>

namespace assay {
namespace {

/// What nccl-tests calls an operation's parameters: whether `count` is a part (size / ranks), and the reduction.
struct Operation {
  std::string_view workload;
  bool count_is_part;
  const char* redop;
};
constexpr Operation kOperations[] = {{"all_reduce", false, "sum"},    {"all_gather", true, "none"},
                                     {"reduce_scatter", true, "sum"}, {"broadcast", false, "none"},
                                     {"all_to_all", true, "none"},    {"send_recv", false, "none"}};

const Operation* operation_of(const Record& record) {
  const auto found = std::find_if(std::begin(kOperations), std::end(kOperations),
                                  [&](const Operation& one) { return one.workload == record.point.workload; });
  return found == std::end(kOperations) ? nullptr : found;
}

const char* type_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
    case DType::tf32:
      return "float";
    case DType::f16:
      return "half";
    case DType::bf16:
      return "bfloat16";
    case DType::e4m3:
      return "f8e4m3";
    case DType::e5m2:
      return "f8e5m2";
    default:
      return name(dtype);
  }
}

/// One line: a size, with what was measured of it.
struct Line {
  const Record* record[2] = {nullptr, nullptr};  // out of place, in place
  const Record& any() const { return record[0] ? *record[0] : *record[1]; }
};

/// Lines that differ in size alone.
struct Block {
  std::string title;
  std::vector<Line> lines;
};

bool in_place(const Record& record) { return record.point.word_or("placement", "out_of_place") == "in_place"; }

/// Everything but size and placement.
std::string title_of(const Record& record) {
  const Case& point = record.point;
  std::string out = fmt::format("{}, kernel {}, {}", point.workload, point.kernel, point.device_name());
  for (const auto& axis : point.axes)
    if (axis.name != "bytes" && axis.name != "placement" && axis.name != "root")
      out += fmt::format(", {}={}", axis.name, to_string(axis.value));
  return out + fmt::format(", {}, {}", name(point.cache), name(point.mode));
}

std::string size_key(const Record& record) {
  return fmt::format("{} {} {}", name(record.point.dtype), record.point.number_or("bytes", 0),
                     record.point.number_or("root", -1));
}

void add(std::vector<Block>& blocks, const Record& record) {
  const std::string title = title_of(record), key = size_key(record);
  auto block = std::find_if(blocks.begin(), blocks.end(), [&](const Block& one) { return one.title == title; });
  if (block == blocks.end()) block = blocks.insert(blocks.end(), Block{title, {}});
  const int side = in_place(record) ? 1 : 0;
  const auto line = std::find_if(block->lines.begin(), block->lines.end(),
                                 [&](const Line& one) { return size_key(one.any()) == key && !one.record[side]; });
  (line == block->lines.end() ? block->lines.emplace_back() : *line).record[side] = &record;
}

/// Seven characters, as many digits as nccl-tests gives.
std::string time_text(double seconds) {
  const double us = seconds * 1e6;
  return us >= 10000 ? fmt::format("{:7.0f}", us) : us >= 100 ? fmt::format("{:7.1f}", us) : fmt::format("{:7.2f}", us);
}

std::string columns(const std::string& time, const std::string& algbw, const std::string& busbw,
                    const std::string& wrong) {
  return fmt::format("  {:>7}  {:>6}  {:>6}  {:>5}", time, algbw, busbw, wrong);
}

struct Tally {
  std::int64_t failed = 0, measured = 0;
  double bus_gigabytes = 0;
};

std::string placement_text(const Record* record, Tally& tally) {
  if (!record) return columns("N/A", "N/A", "N/A", "N/A");
  const std::string wrong = record->check ? std::to_string(record->check->wrong) : "N/A";
  const auto derived = rates(*record);
  if (!derived) {
    ++tally.failed;
    return columns("N/A", "N/A", "N/A", wrong);
  }
  const double algbw = derived->bytes_per_second.value_or(0) / 1e9;
  const double busbw = derived->bus_bytes_per_second.value_or(0) / 1e9;
  ++tally.measured;
  tally.bus_gigabytes += busbw;
  return columns(time_text(derived->seconds.median), fmt::format("{:.2f}", algbw), fmt::format("{:.2f}", busbw), wrong);
}

std::string line_text(const Line& line, Tally& tally) {
  const Record& record = line.any();
  const Operation& operation = *operation_of(record);
  // What was moved, which is what was asked for rounded down to equal parts; of a failed case, what was asked for.
  constexpr double kMostBytes = 1e18;  // more than any message: a file's number may be more than an integer holds
  const double bytes = record.work.bytes > 0 ? record.work.bytes : double(record.point.number_or("bytes", 0));
  const auto size = std::int64_t(std::min(bytes, kMostBytes));
  const std::int64_t parts =
      operation.count_is_part ? std::max<std::int64_t>(1, record.point.number_or("ranks", 1)) : 1;
  return fmt::format("{:>12}  {:>12}  {:>8}  {:>6}  {:>6}", size,
                     size / std::int64_t(size_bytes(record.point.dtype)) / parts, type_of(record.point.dtype),
                     operation.redop, record.point.workload == "broadcast" ? record.point.number_or("root", 0) : -1) +
         placement_text(line.record[0], tally) + placement_text(line.record[1], tally) + "\n";
}

std::string header() {
  return fmt::format("# {:>10}  {:>12}  {:>8}  {:>6}  {:>6}           out-of-place                       in-place\n",
                     "", "", "", "", "") +
         fmt::format("# {:>10}  {:>12}  {:>8}  {:>6}  {:>6}  {:>7}  {:>6}  {:>6} {:>6}  {:>7}  {:>6}  {:>6} {:>6}\n",
                     "size", "count", "type", "redop", "root", "time", "algbw", "busbw", "#wrong", "time", "algbw",
                     "busbw", "#wrong") +
         fmt::format("# {:>10}  {:>12}  {:>8}  {:>6}  {:>6}  {:>7}  {:>6}  {:>6}  {:>5}  {:>7}  {:>6}  {:>6}\n", "(B)",
                     "(elements)", "", "", "", "(us)", "(GB/s)", "(GB/s)", "", "(us)", "(GB/s)", "(GB/s)");
}

/// Skipped cases by reason, as comments: they are neither measured nor failed.
std::string skipped_text(const std::map<std::string, int>& skipped) {
  std::string out;
  for (const auto& [reason, cases] : skipped) {
    std::string line = fmt::format("# skipped, {} case{}: {}", cases, cases == 1 ? "" : "s", reason);
    std::replace(line.begin(), line.end(), '\n', ' ');
    out += line + "\n";
  }
  return out;
}

}  // namespace

std::string to_nccl_tests(const std::vector<Result>& results) {
  std::vector<Block> blocks;
  std::map<std::string, int> skipped;
  for (const Result& result : results)
    for (const Record& record : result.records) {
      if (!operation_of(record)) continue;
      if (record.outcome.kind == OutcomeKind::skipped)
        ++skipped[record.outcome.reason];
      else
        add(blocks, record);
    }
  std::string out = "# assay, in the format of nccl-tests; time: the slowest rank's, median over samples\n";
  const auto edited =
      std::count_if(results.begin(), results.end(), [](const Result& one) { return one.seal == Seal::broken; });
  if (edited > 0)
    out += fmt::format("# EDITED: {} of {} results were changed after they were written\n", edited, results.size());
  Tally tally;
  for (const Block& block : blocks) {
    out += fmt::format("#\n# {}\n", block.title) + header();
    for (const Line& line : block.lines) out += line_text(line, tally);
  }
  out += skipped_text(skipped);
  const bool passed = tally.failed == 0 && tally.measured > 0;
  if (tally.measured == 0) out += "# nothing was measured\n";
  out += fmt::format("# Out of bounds values : {} {}\n", tally.failed, passed ? "OK" : "FAILED");
  return out + fmt::format("# Avg bus bandwidth    : {:.6g} \n#\n",
                           tally.measured > 0 ? tally.bus_gigabytes / double(tally.measured) : 0.0);
}

}  // namespace assay
