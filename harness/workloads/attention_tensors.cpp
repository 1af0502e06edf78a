#include "harness/workloads/attention_tensors.h"

#include "harness/verify/fill.h"
#include "harness/verify/quantize.h"

namespace assay {
namespace {

enum Stream : std::uint64_t { kQ = 1, kK = 2, kV = 3, kDo = 4 };

}  // namespace

AttentionTensors::AttentionTensors(Backend& backend, const Case& point, const AttentionProblem& p, int sets)
    : dtype_(p.dtype),
      bytes_(attention_bytes(p)),
      q_(backend, bytes_.q, sets),
      k_(backend, bytes_.k, sets),
      v_(backend, bytes_.v, sets),
      o_(backend, bytes_.o, sets),
      lse_(backend, bytes_.lse, sets) {
  if (p.scaled()) {
    host_scales_ = {quantise_input(q_, host_q_, p.q_elements(), p.head_dim, point, kQ),
                    quantise_input(k_, host_k_, p.k_elements(), p.head_dim, point, kK),
                    quantise_input(v_, host_v_, p.v_elements(), p.value_dim(), point, kV)};
    scales_.emplace(backend, bytes_.scales, sets).copy_in(host_scales_.data());
  } else {
    fill_input(q_, host_q_, p.q_elements(), point, kQ);
    fill_input(k_, host_k_, p.k_elements(), point, kK);
    fill_input(v_, host_v_, p.v_elements(), point, kV);
  }
  if (p.pass == AttentionPass::backward) {
    d_o_.emplace(backend, bytes_.d_o, sets);
    dq_.emplace(backend, bytes_.dq, sets);
    dk_.emplace(backend, bytes_.dk, sets);
    dv_.emplace(backend, bytes_.dv, sets);
    fill_input(*d_o_, host_d_o_, p.o_elements(), point, kDo);
  }
  if (p.packed()) {
    const std::vector<std::int32_t> q(p.q_offsets.begin(), p.q_offsets.end()),
        kv(p.kv_offsets.begin(), p.kv_offsets.end());
    q_offsets_.emplace(backend, bytes_.offsets, sets).copy_in(q.data());
    kv_offsets_.emplace(backend, bytes_.offsets, sets).copy_in(kv.data());
  }
  o_.fill(0xff);
  lse_.fill(0xff);
  poison_outputs();
}

std::size_t AttentionTensors::set_bytes(const AttentionProblem& problem) {
  const AttentionBytes b = attention_bytes(problem);
  std::size_t sum = 0;
  for (const std::size_t bytes : {b.q, b.k, b.v, b.o, b.lse, b.d_o, b.dq, b.dk, b.dv, b.offsets, b.offsets, b.scales})
    if (bytes > 0) sum += RotatedBuffer::stride_for(bytes);
  return sum;
}

void AttentionTensors::fill_input(RotatedBuffer& buffer, std::vector<std::byte>& host, std::int64_t elements,
                                  const Case& point, std::uint64_t stream) const {
  host.resize(buffer.bytes());
  fill_array(dtype_, host.data(), elements, point.data, point.seed, stream, available_threads());
  buffer.copy_in(host.data());
}

float AttentionTensors::quantise_input(RotatedBuffer& buffer, std::vector<std::byte>& host, std::int64_t elements,
                                       std::int64_t width, const Case& point, std::uint64_t stream) const {
  OperandFormat format;
  format.dtype = dtype_;
  format.rows = elements / width;
  format.k = format.row_stride = width;
  format.k_stride = 1;
  format.tensor_factor = true;
  ScaledOperand operand = quantized_operand(format, point.data, point.seed, stream, available_threads());
  host = std::move(operand.elements);
  buffer.copy_in(host.data());
  return operand.tensor_factor;
}

AttentionBuffers AttentionTensors::device(int set) const {
  const auto data = [set](const std::optional<RotatedBuffer>& buffer) { return buffer ? buffer->data(set) : nullptr; };
  AttentionBuffers buffers;
  buffers.q = q_.data(set), buffers.k = k_.data(set), buffers.v = v_.data(set), buffers.o = o_.data(set);
  buffers.lse = static_cast<float*>(lse_.data(set));
  buffers.d_o = data(d_o_), buffers.dq = data(dq_), buffers.dk = data(dk_), buffers.dv = data(dv_);
  buffers.q_offsets = static_cast<const std::int32_t*>(data(q_offsets_));
  buffers.kv_offsets = static_cast<const std::int32_t*>(data(kv_offsets_));
  if (const auto* scales = static_cast<const float*>(data(scales_)))
    buffers.q_scale = scales, buffers.k_scale = scales + 1, buffers.v_scale = scales + 2;
  return buffers;
}

AttentionBuffers AttentionTensors::host() const {
  AttentionBuffers buffers;
  buffers.q = host_q_.data(), buffers.k = host_k_.data(), buffers.v = host_v_.data();
  buffers.d_o = host_d_o_.data();
  // The contract's buffers are a kernel's, which writes o and lse; nobody writes through these.
  buffers.o = const_cast<std::byte*>(host_o_.data());
  buffers.lse = reinterpret_cast<float*>(const_cast<std::byte*>(host_lse_.data()));
  if (scales_)
    buffers.q_scale = &host_scales_[0], buffers.k_scale = &host_scales_[1], buffers.v_scale = &host_scales_[2];
  return buffers;
}

void AttentionTensors::keep_forward() {
  host_o_ = copy_out(o_, 0);
  host_lse_ = copy_out(lse_, 0);
  o_.copy_in(host_o_.data());
  lse_.copy_in(host_lse_.data());
}

void AttentionTensors::poison_outputs() {
  for (RotatedBuffer* buffer : d_o_ ? std::vector{&*dq_, &*dk_, &*dv_} : std::vector{&o_, &lse_}) buffer->fill(0xff);
}

std::vector<AttentionTensors::Output> AttentionTensors::outputs() const {
  if (d_o_) return {{"dq", &*dq_}, {"dk", &*dk_}, {"dv", &*dv_}};
  return {{"o", &o_}, {"lse", &lse_}};
}

std::vector<std::byte> AttentionTensors::copy_out(const RotatedBuffer& buffer, int set) const {
  std::vector<std::byte> bytes(buffer.bytes());
  buffer.copy_out(set, bytes.data());
  return bytes;
}

}  // namespace assay
