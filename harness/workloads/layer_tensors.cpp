#include "harness/workloads/layer_tensors.h"

#include <cstring>

#include <fmt/format.h>

#include "harness/backends/backend.h"
#include "harness/verify/fill.h"

namespace assay {
namespace {

constexpr std::uint8_t kPoison = 0xff;  // NaN in every float type, -1 as an integer

}  // namespace

double TensorType::load(const void* array, std::int64_t index) const {
  if (!integer) return load_element(dtype, array, index);
  std::int32_t value;
  std::memcpy(&value, static_cast<const char*>(array) + index * std::int64_t(sizeof value), sizeof value);
  return value;
}

LayerTensors::LayerTensors(Backend& backend, std::vector<TensorShape> shapes, int sets)
    : shapes_(std::move(shapes)), host_(shapes_.size()) {
  for (std::size_t t = 0; t < shapes_.size(); ++t) {
    device_.emplace_back(backend, shapes_[t].bytes(), sets);
    if (shapes_[t].use != TensorUse::output) host_[t].resize(shapes_[t].bytes());
  }
}

std::size_t LayerTensors::set_bytes(const std::vector<TensorShape>& shapes) {
  std::size_t sum = 0;
  for (const TensorShape& shape : shapes) sum += RotatedBuffer::stride_for(shape.bytes());
  return sum;
}

void LayerTensors::fill_host(std::size_t tensor, const Case& point) {
  const TensorShape& shape = shapes_[tensor];
  fill_array(shape.type.dtype, host_[tensor].data(), shape.rows * shape.columns, point.data, point.seed, tensor + 1,
             available_threads());
}

void LayerTensors::restore() {
  for (std::size_t t = 0; t < shapes_.size(); ++t)
    if (shapes_[t].use == TensorUse::output)
      device_[t].fill(kPoison);
    else
      device_[t].copy_in(host_[t].data());
}

void LayerTensors::compare(Check& check, std::size_t tensor, int set, const std::vector<std::int64_t>& rows,
                           const std::vector<LayerRow>& references) const {
  const TensorShape& shape = shapes_[tensor];
  std::vector<std::byte> got(shape.bytes());
  device_[tensor].copy_out(set, got.data());
  for (std::size_t r = 0; r < rows.size(); ++r)
    for (std::int64_t c = 0; c < shape.columns; ++c)
      check.compare(shape.type.load(got.data(), rows[r] * shape.columns + c), references[r].value[std::size_t(c)],
                    references[r].allowed[std::size_t(c)],
                    [&] { return fmt::format("{}[{}, {}] of set {}", shape.name, rows[r], c, set); });
  check.include_digest(got.data(), got.size());
  if (!device_[tensor].guards_intact(set))
    check.fail_outside(fmt::format("memory after {} of set {} was overwritten", shape.name, set));
}

}  // namespace assay
