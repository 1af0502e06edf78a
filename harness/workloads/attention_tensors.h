// The tensors of one attention case: rotated buffers on the device and, of the inputs, what was put into them.
#pragma once
#include <array>
#include <cstddef>
#include <optional>
#include <vector>

#include "harness/backends/backend.h"
#include "harness/core/case.h"
#include "harness/workloads/attention_problem.h"
#include "harness/workloads/rotated_buffer.h"

namespace assay {

class AttentionTensors {
 public:
  /// Seeded q, k, v (and do) in every set, those of 8 bits quantised with a factor each; the rest is poisoned with NaN.
  AttentionTensors(Backend&, const Case&, const AttentionProblem&, int sets);

  /// Memory a set takes.
  static std::size_t set_bytes(const AttentionProblem&);

  AttentionBuffers device(int set) const;
  /// The inputs on the host; after keep_forward, o and lse too.
  AttentionBuffers host() const;

  /// Backward: what a forward pass left in set 0 becomes every set's o and lse.
  void keep_forward();
  /// NaN into what the pass writes.
  void poison_outputs();

  struct Output {
    const char* name;
    const RotatedBuffer* buffer;
  };
  /// What the pass writes: o and lse, or dq, dk and dv.
  std::vector<Output> outputs() const;
  /// The same, by name.
  std::vector<std::byte> copy_out(const RotatedBuffer&, int set) const;

  const RotatedBuffer& o() const { return o_; }
  const RotatedBuffer& lse() const { return lse_; }
  const RotatedBuffer& dq() const { return *dq_; }
  const RotatedBuffer& dk() const { return *dk_; }
  const RotatedBuffer& dv() const { return *dv_; }

 private:
  void fill_input(RotatedBuffer&, std::vector<std::byte>& host, std::int64_t elements, const Case&,
                  std::uint64_t stream) const;
  /// `elements` drawn as fill_input does, `width` to a row, and quantised; the factor.
  float quantise_input(RotatedBuffer&, std::vector<std::byte>& host, std::int64_t elements, std::int64_t width,
                       const Case&, std::uint64_t stream) const;

  DType dtype_;
  AttentionBytes bytes_;
  RotatedBuffer q_, k_, v_, o_, lse_;
  std::optional<RotatedBuffer> d_o_, dq_, dk_, dv_;      // backward
  std::optional<RotatedBuffer> q_offsets_, kv_offsets_;  // packed sequences
  std::optional<RotatedBuffer> scales_;                  // of q, k and v
  std::array<float, 3> host_scales_{};
  std::vector<std::byte> host_q_, host_k_, host_v_, host_o_, host_lse_, host_d_o_;
};

}  // namespace assay
