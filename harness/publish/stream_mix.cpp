#include "harness/publish/stream_mix.h"

#include <algorithm>
#include <string_view>

namespace assay {
namespace {

bool is_backward(const Case& point) { return point.word_or("pass", "forward") == "backward"; }

// What a norm reads once a column or token is too little to count.

StreamMix norm(const Case& point) {
  const bool residual = point.word_or("residual", "none") == "added";
  if (is_backward(point)) return {residual ? 3.0 : 2.0, 1};  // x, dy (+ d_sum); dx
  return residual ? StreamMix{2, 2} : StreamMix{1, 1};       // x (+ residual); y (+ sum)
}

StreamMix swiglu(const Case& point) { return is_backward(point) ? StreamMix{3, 2} : StreamMix{2, 1}; }

StreamMix gelu(const Case& point) { return is_backward(point) ? StreamMix{2, 1} : StreamMix{1, 1}; }

/// Bytes an element: m, v and master read and written; the gradient read; parameters of another type written.
StreamMix adamw(const Case& point) {
  const double state = 3.0 * double(size_bytes(DType::f32)), param = double(size_bytes(point.dtype));
  const double gradient = point.word_or("gradient", "same") == "f32" ? double(size_bytes(DType::f32)) : param;
  return {state + gradient, state + (point.dtype == DType::f32 ? 0 : param)};
}

StreamMix cross_entropy(const Case& point) {
  return point.word_or("gradient", "in_place") == "in_place" ? StreamMix{1, 1} : StreamMix{1, 0};
}

struct Row {
  std::string_view workload;
  StreamMix (*mix)(const Case&);
};
constexpr Row kRows[] = {{"rms_norm", norm},
                         {"layer_norm", norm},
                         {"rope",
                          [](const Case&) {
                            return StreamMix{1, 1};
                          }},
                         {"swiglu", swiglu},
                         {"gelu", gelu},
                         {"residual_add",
                          [](const Case&) {
                            return StreamMix{2, 1};
                          }},
                         {"adamw", adamw},
                         {"cross_entropy", cross_entropy},
                         {"grad_norm", [](const Case&) {
                            return StreamMix{1, 0};
                          }}};

}  // namespace

std::optional<StreamMix> stream_mix(const Case& point) {
  for (const Row& row : kRows)
    if (row.workload == point.workload) return row.mix(point);
  return std::nullopt;
}

std::vector<StreamPart> stream_parts(const StreamMix& mix) {
  const auto above_zero = [](double x) { return std::max(x, 0.0); };
  const double triads = std::min(above_zero(mix.reads - mix.writes), mix.writes);
  const double copies = std::min(mix.reads, above_zero(2 * mix.writes - mix.reads));
  std::vector<StreamPart> parts = {{"triad", 3, triads},
                                   {"copy", 2, copies},
                                   {"read", 1, above_zero(mix.reads - 2 * mix.writes)},
                                   {"write", 1, above_zero(mix.writes - mix.reads)}};
  std::erase_if(parts, [](const StreamPart& part) { return !(part.launches > 0); });
  return parts;
}

}  // namespace assay
