#include "harness/workloads/attention_problem.h"

#include <algorithm>

#include <fmt/format.h>

#include "harness/core/error.h"
#include "harness/core/names.h"
#include "harness/verify/random.h"

namespace assay {
namespace {

constexpr Named<SequenceLengths> kLengths[] = {
    {SequenceLengths::equal, "equal"}, {SequenceLengths::uneven, "uneven"}, {SequenceLengths::gappy, "gappy"}};

constexpr std::uint64_t kLengthStream = 103;  // apart from the streams of tensors

bool is_empty(SequenceLengths lengths, std::int64_t b, std::int64_t batch) {
  return lengths == SequenceLengths::gappy && batch > 1 && (b % 5 == 4 || b == batch - 1);
}

SequenceLengths lengths_of(const Case& point) {
  SequenceLengths lengths = SequenceLengths::equal;
  const std::string text = point.word_or("lengths", "equal");
  if (!parse_lengths(text, lengths)) throw InputError("no such lengths: " + text);
  return lengths;
}

}  // namespace

bool parse_lengths(std::string_view text, SequenceLengths& out) { return find_value(kLengths, text, out); }

std::vector<std::int64_t> sequence_offsets(SequenceLengths lengths, std::int64_t batch, std::int64_t longest,
                                           std::uint64_t seed) {
  const RandomStream random(seed, kLengthStream);
  std::vector<std::int64_t> offsets{0};
  for (std::int64_t b = 0; b < batch; ++b) {
    const double share = 0.25 + 0.75 * double(random.bits(std::uint64_t(b)) >> 11) * 0x1p-53;
    const std::int64_t part = std::max<std::int64_t>(1, std::int64_t(share * double(longest)));
    const bool whole = b == 0 || lengths == SequenceLengths::equal;
    offsets.push_back(offsets.back() + (is_empty(lengths, b, batch) ? 0 : whole ? longest : part));
  }
  return offsets;
}

AttentionProblem attention_problem(const Case& point) {
  AttentionProblem problem;
  problem.pass = point.word_or("pass", "forward") == "backward" ? AttentionPass::backward : AttentionPass::forward;
  problem.batch = point.number("batch");
  problem.heads = point.number("heads");
  problem.kv_heads = point.number("kv_heads");
  problem.seq_q = point.number("seq_q");
  problem.seq_kv = point.number("seq_kv");
  problem.head_dim = point.number("head_dim");
  problem.head_dim_v = point.number_or("head_dim_v", 0);
  problem.causal = point.word("mask") == "causal";
  problem.window = point.number_or("window", 0);
  problem.deterministic = point.word_or("gradients", "fast") == "deterministic";
  problem.dtype = point.dtype;
  if (const SequenceLengths lengths = lengths_of(point); lengths != SequenceLengths::equal) {
    problem.q_offsets = sequence_offsets(lengths, problem.batch, problem.seq_q, point.seed);
    problem.kv_offsets = sequence_offsets(lengths, problem.batch, problem.seq_kv, point.seed);
  }
  return problem;
}

std::string validate_attention(const Case& point) {
  const std::int64_t heads = point.number("heads"), kv_heads = point.number("kv_heads");
  if (heads % kv_heads != 0)
    return fmt::format(
        "heads={} is not a multiple of kv_heads={}; each key-value head serves heads / kv_heads query heads", heads,
        kv_heads);
  if (point.number_or("window", 0) > 0 && point.word("mask") != "causal")
    return "a sliding window goes with mask=causal: it ends at the query's own position";
  if (point.word_or("gradients", "fast") != "fast" && point.word_or("pass", "forward") == "forward")
    return "gradients=deterministic goes with pass=backward: a forward pass has none";
  if (info(point.dtype).bits < 16 && point.word_or("pass", "forward") == "backward")
    return fmt::format("pass=backward goes with types of at least 16 bits: {} is forward only", name(point.dtype));
  const double batch = double(point.number("batch"));
  const double d = double(std::max(point.number("head_dim"), point.number_or("head_dim_v", 0)));
  const double q = double(point.number("seq_q")), kv = double(point.number("seq_kv"));
  constexpr double kLimit = 0x1p62;
  if (10 * batch * double(heads) * d * q * kv >= kLimit || 4 * batch * double(heads) * d * std::max(q, kv) >= kLimit)
    return "more work than 64 bits count; make batch, heads, seq_q, seq_kv or head_dim smaller";
  constexpr std::int64_t kMostPacked = 1 << 20;  // their lengths are held in memory, and offsets are 32-bit
  if (lengths_of(point) != SequenceLengths::equal &&
      (point.number("batch") > kMostPacked || batch * std::max(q, kv) >= 0x1p31))
    return "packed sequences must be at most 2^20, and have less than 2^31 rows together";
  return {};
}

AttentionBytes attention_bytes(const AttentionProblem& p) {
  const auto tensor = [&](std::int64_t elements) { return std::size_t(storage_bytes(p.dtype, elements)); };
  AttentionBytes bytes;
  bytes.q = tensor(p.q_elements());
  bytes.k = tensor(p.k_elements());
  bytes.v = tensor(p.v_elements());
  bytes.o = std::size_t(storage_bytes(p.out_dtype(), p.o_elements()));
  bytes.lse = std::size_t(p.lse_elements()) * sizeof(float);
  if (p.scaled()) bytes.scales = 3 * sizeof(float);
  if (p.packed()) bytes.offsets = std::size_t(p.batch + 1) * sizeof(std::int32_t);
  if (p.pass == AttentionPass::backward)
    bytes.d_o = bytes.o, bytes.dq = bytes.q, bytes.dk = bytes.k, bytes.dv = bytes.v;
  return bytes;
}

Work attention_work(const Case& point) {
  const AttentionProblem p = attention_problem(point);
  const AttentionBytes bytes = attention_bytes(p);
  const bool forward = p.pass == AttentionPass::forward;
  const double width = forward ? double(p.head_dim + p.value_dim()) : double(3 * p.head_dim + 2 * p.value_dim());
  Work work;
  work.flops = 2 * double(p.heads) * width * p.visible_pairs();
  work.bytes = double(bytes.q + bytes.k + bytes.v + bytes.o + bytes.lse + bytes.d_o + bytes.dq + bytes.dk + bytes.dv);
  work.convention = forward ? "flops = 2 heads (head_dim + value_dim) (visible query-key pairs), masked pairs and "
                              "softmax not counted; bytes = q + k + v + o + lse"
                            : "flops = 2 heads (3 head_dim + 2 value_dim) (visible query-key pairs): five products, "
                              "masked pairs and softmax not counted; bytes = q + k + v + o + lse + do + dq + dk + dv";
  return work;
}

}  // namespace assay
