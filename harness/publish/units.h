// Measured quantities as people read them: SI prefix by size, digits by the interval.
#pragma once
#include <optional>
#include <string>

namespace assay {

/// "12.3 us", "4.56 ms", "1.2 s"; "" for null, here and below.
std::string format_seconds(std::optional<double> value, std::optional<double> low, std::optional<double> high);
/// "812.4 TFLOP/s", "96.1 GFLOP/s".  The interval is that of the seconds the rate was derived from.
std::string format_flops(const std::optional<double>& rate, const std::optional<double>& seconds,
                         const std::optional<double>& low, const std::optional<double>& high);
/// "3.35 GB/s", GB = 1e9.
std::string format_bytes_rate(const std::optional<double>& rate, const std::optional<double>& seconds,
                              const std::optional<double>& low, const std::optional<double>& high);
/// "97.3 %".
std::string format_percent(const std::optional<double>&);
/// "0.12": how much of the allowed error was used.
std::string format_ratio(const std::optional<double>&);

}  // namespace assay
