// Four workloads with few kernels, so that what a suite becomes can be counted by hand.
#pragma once
#include <fmt/format.h>

#include "harness/workloads/workload.h"

namespace assay {

inline AxisSpec number_axis(std::string name, std::int64_t minimum = 1, std::optional<AxisValue> otherwise = {}) {
  return {std::move(name), "a count", {}, minimum, std::int64_t(1) << 40, std::move(otherwise)};
}

inline WorkloadKind fake_gemm() {
  WorkloadKind kind;
  kind.name = "gemm";
  kind.axes = {{"layout", "operands", {"tn", "nn", "nt"}, 0, 0, AxisValue("tn")},
               number_axis("m"),
               number_axis("n"),
               number_axis("k"),
               {"scaling", "an axis that came later", {"none", "tensor"}, 0, 0, AxisValue("none"), true},
               {"accumulate", "another", {"auto", "f32"}, 0, 0, AxisValue("auto"), true},
               {"config", "a kernel's own word", {}, 0, 0, AxisValue("auto"), true, true}};
  kind.kernels = {{"cpu_blocked", Device::cpu, false, {DType::f32, DType::bf16}},
                  {"tensor", Device::gpu, false, {DType::tf32, DType::bf16, DType::f16}},
                  {"yardstick", Device::cpu, true, {DType::f32}},
                  {"gpu_yardstick", Device::gpu, true, {DType::f32, DType::bf16}},
                  {"cpu_dequantized", Device::cpu, false, {DType::e4m3, DType::e5m2}}};
  kind.validate = [](const Case& point) -> std::string {
    const double m = double(point.number("m")), n = double(point.number("n")), k = double(point.number("k"));
    if (point.dtype == DType::f32 && point.word_or("scaling", "none") != "none") return "f32 takes no scale factors";
    return 2 * m * n * k >= 0x1p62 ? "more work than 64 bits count" : "";
  };
  return kind;
}

inline WorkloadKind fake_grouped_gemm() {
  WorkloadKind kind;
  kind.name = "grouped_gemm";
  kind.axes = {{"pass", "which product", {"forward", "dgrad", "wgrad"}, 0, 0, AxisValue("forward")},
               {"routing", "rows of each group", {"balanced", "uneven", "skewed"}, 0, 0, AxisValue("uneven")},
               number_axis("groups"),
               number_axis("rows"),
               number_axis("n"),
               number_axis("k")};
  kind.kernels = {{"cpu_blocked", Device::cpu, false, {DType::f32, DType::bf16}}};
  return kind;
}

inline WorkloadKind fake_attention() {
  WorkloadKind kind;
  kind.name = "attention";
  kind.axes = {{"mask", "who sees whom", {"causal", "full"}, 0, 0, AxisValue("causal")},
               number_axis("batch"),
               number_axis("heads"),
               number_axis("kv_heads"),
               number_axis("seq_q"),
               number_axis("seq_kv"),
               number_axis("head_dim")};
  kind.kernels = {{"cpu_flash", Device::cpu, false, {DType::f32, DType::bf16}},
                  {"gpu_flash", Device::gpu, false, {DType::bf16, DType::f16}}};
  kind.validate = [](const Case& point) -> std::string {
    if (point.number("heads") % point.number("kv_heads") == 0) return {};
    return fmt::format("heads={} is no multiple of kv_heads={}", point.number("heads"), point.number("kv_heads"));
  };
  return kind;
}

inline WorkloadKind fake_all_reduce() {
  WorkloadKind kind;
  kind.name = "all_reduce";
  kind.axes = {number_axis("bytes"),
               number_axis("ranks", 0, AxisValue(std::int64_t(0))),
               {"placement", "output", {"out_of_place", "in_place"}, 0, 0, AxisValue("out_of_place")}};
  kind.kernels = {{"shm_ring", Device::cpu, false, {DType::f32, DType::bf16}},
                  {"gpu_ring", Device::gpu, false, {DType::f32, DType::bf16}}};
  return kind;
}

inline Catalog fake_catalog() { return {fake_gemm(), fake_attention(), fake_all_reduce(), fake_grouped_gemm()}; }

}  // namespace assay
