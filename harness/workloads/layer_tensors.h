// The buffers of one prepared operation of a transformer layer, whatever it computes: rotated on the device, with host
// copies of what references read.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "harness/core/case.h"
#include "harness/verify/check.h"
#include "harness/workloads/rotated_buffer.h"
#include "harness/workloads/workload.h"
#include "kernels/layer/layer.h"

namespace assay {

enum class TensorUse : std::uint8_t {
  input,   // read
  output,  // written; holds NaN before
  state,   // read and written by every launch, from the same start in every set
};

/// An element type of the kernels, or a 32-bit integer: positions, token ids, experts.
struct TensorType {
  DType dtype = DType::f32;
  bool integer = false;
  TensorType(DType t) : dtype(t) {}
  static TensorType int32() {
    TensorType type(DType::f32);
    type.integer = true;
    return type;
  }
  std::size_t bytes() const { return integer ? sizeof(std::int32_t) : size_bytes(dtype); }
  double load(const void* array, std::int64_t index) const;
};

/// A tensor as far as its memory goes.
struct TensorShape {
  std::string name;  // "dw"
  TensorUse use = TensorUse::input;
  TensorType type = DType::f32;
  std::int64_t rows = 1, columns = 1;  // of an output or a state: a reference computes one row at a time
  std::size_t bytes() const { return std::size_t(rows) * std::size_t(columns) * type.bytes(); }
};

class LayerTensors {
 public:
  LayerTensors(Backend&, std::vector<TensorShape>, int sets);
  /// Memory one set takes.
  static std::size_t set_bytes(const std::vector<TensorShape>&);

  const std::vector<TensorShape>& shapes() const { return shapes_; }
  const RotatedBuffer& device(std::size_t tensor) const { return device_[tensor]; }
  /// Empty for an output.
  std::vector<std::byte>& host(std::size_t tensor) { return host_[tensor]; }

  /// Numbers of the case's kind into the tensor's host copy; each tensor has its own stream.
  void fill_host(std::size_t tensor, const Case&);
  /// The host copies of inputs and states into every set; NaN into outputs (-1 where they are integers).
  void restore();
  /// Rows of an output or state in one set against references (rows[i] is references[i]).
  void compare(Check&, std::size_t tensor, int set, const std::vector<std::int64_t>& rows,
               const std::vector<LayerRow>& references) const;

 private:
  std::vector<TensorShape> shapes_;
  std::vector<RotatedBuffer> device_;
  std::vector<std::vector<std::byte>> host_;
};

}  // namespace assay
