// What a case of the attention workload says: its problem, its work, and what no single axis can refuse.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/workloads/workload.h"
#include "kernels/attention/attention.h"

namespace assay {

/// How long the sequences of a batch are.
enum class SequenceLengths : std::uint8_t {
  equal,   // seq_q and seq_kv
  uneven,  // packed; the first as long as seq_q and seq_kv say, the others a part of it, uniform in [1/4, 1]
  gappy,   // the same, but every fifth and the last are empty
};

bool parse_lengths(std::string_view text, SequenceLengths& out);

/// Where each of `batch` packed sequences begins, and the end: [batch + 1].  Depends on its arguments alone, and
/// lengths of two longest sequences by the same seed are in proportion.
std::vector<std::int64_t> sequence_offsets(SequenceLengths, std::int64_t batch, std::int64_t longest,
                                           std::uint64_t seed);

AttentionProblem attention_problem(const Case&);
/// Empty: fine.
std::string validate_attention(const Case&);
Work attention_work(const Case&);

/// Bytes of each tensor; 0 for those that the pass does not have.
struct AttentionBytes {
  std::size_t q = 0, k = 0, v = 0, o = 0, lse = 0, d_o = 0, dq = 0, dk = 0, dv = 0, offsets = 0;
  std::size_t scales = 0;  // of q, k and v, one behind the other
};
AttentionBytes attention_bytes(const AttentionProblem&);

}  // namespace assay
