#include "harness/publish/report/archive.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <stdexcept>

#include <fmt/format.h>

namespace assay {
namespace {

/// The page says the number, so it is one that people read easily.
constexpr std::array kStrides = {2, 3, 5, 10, 20, 30, 50, 100};

/// Of a series of `n`, so that `least` remain.
std::size_t stride_of(std::size_t n, int every, std::size_t least = kLeastSamplesKept) {
  return std::clamp<std::size_t>(n / least, 1, std::size_t(every));
}

double with_digits(double value, int digits) {
  // Not stod: it throws where a number is so small that it has fewer digits than others.
  const double rounded = std::strtod(fmt::format("{:.{}g}", value, digits).c_str(), nullptr);
  return std::isfinite(rounded) ? rounded : value;
}

void round_numbers(Record& record) {
  const auto each = [](std::vector<double>& values) {
    for (double& value : values) value = with_digits(value, kDigitsKept);
  };
  each(record.measurement.seconds);
  for (auto& rank : record.measurement.rank_seconds) each(rank);
  for (auto& telemetry : record.telemetry)
    for (Reading& reading : telemetry.readings)
      for (auto* value :
           {&reading.clock_mhz, &reading.memory_clock_mhz, &reading.power_watts, &reading.power_average_watts,
            &reading.temperature_celsius, &reading.memory_temperature_celsius})
        if (*value) *value = with_digits(**value, kDigitsKept - 1);  // 1835 MHz, 695.2 W
}

template <class T>
void keep_every(std::vector<T>& series, std::size_t stride) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < series.size(); i += stride) series[kept++] = series[i];
  series.resize(kept);
}

/// Neighbours become one interval, as SoakSeries joins them when it is full.
void join_intervals(Soak& soak, Measurement& measurement, std::size_t stride) {
  std::vector<SoakInterval> joined;
  for (std::size_t i = 0; i < soak.intervals.size(); ++i) {
    const SoakInterval& next = soak.intervals[i];
    if (i % stride == 0) {
      joined.push_back(next);
      continue;
    }
    SoakInterval& last = joined.back();
    last.busy_seconds += next.busy_seconds;
    last.launches += next.launches;
    last.slowest_seconds = std::max(last.slowest_seconds, next.slowest_seconds);
    if (last.placement != next.placement) last.placement = Placement::moved;
  }
  soak.intervals = std::move(joined);
  measurement.seconds.clear();
  const bool placed = !measurement.placement.empty();
  measurement.placement.clear();
  for (const auto& interval : soak.intervals) {
    measurement.seconds.push_back(interval.seconds_per_launch());
    if (placed) measurement.placement.push_back(interval.placement);
  }
}

void thin(Record& record, const Thinning& how) {
  Measurement& m = record.measurement;
  if (how.without_ranks) m.rank_seconds.clear(), m.rank_stride = 1;
  const std::size_t stride = stride_of(m.seconds.size(), how.every);
  if (stride > 1) {
    m.rank_seconds.clear(), m.rank_stride = 1;  // they are of samples that go
    if (record.soak) {
      join_intervals(*record.soak, m, stride);
    } else {
      keep_every(m.seconds, stride);
      keep_every(m.placement, stride);
    }
  }
  for (auto& telemetry : record.telemetry)
    keep_every(telemetry.readings, stride_of(telemetry.readings.size(), how.every, kLeastSamplesKept / 2));
  if (how.rounded) round_numbers(record);
}

bool has_rank_times(const ReportedResult& one) {
  const auto& records = one.result.records;
  return std::any_of(records.begin(), records.end(),
                     [](const Record& record) { return !record.measurement.rank_seconds.empty(); });
}

Archives archive_with(const std::vector<ReportedResult>& results, const Thinning& how) {
  Archives out{how, {}};
  for (const auto& one : results)
    out.base64.push_back(base64(gzip(how.whole() ? one.text : to_text(thinned(one, how)))));
  return out;
}

}  // namespace

std::size_t Archives::bytes() const {
  std::size_t sum = 0;
  for (const auto& text : base64) sum += text.size();
  return sum;
}

Result thinned(const ReportedResult& whole, const Thinning& how) {
  Result out = whole.result;
  for (auto& record : out.records) thin(record, how);
  out.provenance["thinned"] = {{"sha256_of_whole", whole.sha256},
                               {"digits", how.rounded ? nlohmann::ordered_json(kDigitsKept) : nullptr},
                               {"every", how.every},
                               {"least_samples", kLeastSamplesKept},
                               {"rank_seconds", how.without_ranks ? "left out" : "kept"}};
  return out;
}

Archives archive(const std::vector<ReportedResult>& results, std::size_t limit) {
  Archives out = archive_with(results, {});
  if (out.bytes() <= limit) return out;
  out = archive_with(results, {1, false, true});
  if (out.bytes() <= limit) return out;
  const bool ranks = std::any_of(results.begin(), results.end(), has_rank_times);
  if (ranks) out = archive_with(results, {1, true, true});
  const double too_large = double(out.bytes()) / double(std::max<std::size_t>(limit, 1));
  for (const int every : kStrides) {
    if (out.bytes() <= limit) break;
    // Besides samples there is the rest: a k-th of them takes more than a k-th of the space.
    if (every < too_large && every != kStrides.back()) continue;
    out = archive_with(results, {every, ranks, true});
  }
  return out;
}

std::string gzip(std::string_view text) {
  constexpr int kWindow = 15 + 16;  // the largest window; + 16: gzip's header rather than zlib's
  constexpr int kMemory = 9;
  z_stream stream{};
  // The best compression is 1 % smaller and takes four to seven times as long.
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kWindow, kMemory, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::runtime_error("zlib could not start");
  std::string out(deflateBound(&stream, uLong(text.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));  // zlib's interface predates const
  stream.avail_in = uInt(text.size());  // results are read with a limit of 1 GiB: it fits
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = uInt(out.size());
  const int state = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (state != Z_STREAM_END) throw std::runtime_error("zlib could not compress a result");
  return out;
}

std::string base64(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j)
      group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (std::size_t j = 0; j < 4; ++j) out += i + j <= bytes.size() ? kDigits[group >> (18 - 6 * j) & 63] : '=';
  }
  return out;
}

}  // namespace assay
