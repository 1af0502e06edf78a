#include "kernels/gemm/small_float_values.h"

#include <stdexcept>

namespace assay {
namespace {

std::vector<float> decoded(DType t) {
  std::vector<float> values(std::size_t{1} << info(t).bits);
  for (std::size_t bits = 0; bits < values.size(); ++bits) {
    const auto byte = static_cast<std::uint8_t>(bits);
    values[bits] = static_cast<float>(load_element(t, &byte, 0));
  }
  return values;
}

}  // namespace

const std::vector<float>& small_float_values(DType t) {
  static const std::vector<float> e4m3 = decoded(DType::e4m3), e5m2 = decoded(DType::e5m2), e2m1 = decoded(DType::e2m1);
  switch (t) {
    case DType::e4m3:
      return e4m3;
    case DType::e5m2:
      return e5m2;
    case DType::e2m1:
      return e2m1;
    default:
      throw std::runtime_error(std::string("no table of the values of ") + name(t));
  }
}

}  // namespace assay
