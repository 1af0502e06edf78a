#include "harness/train/flops.h"

namespace assay {

double flops_per_token(const TrainModel& m, std::int64_t sequence, FlopConvention convention) {
  const double h = double(m.hidden), layers = double(m.layers), q = double(m.q_width());
  const double linear = layers * (2 * h * double(m.qkv_width()) + 2 * q * h + 3 * 2 * h * double(m.feed_forward));
  const double attention = layers * 4 * double(sequence) * q;
  const double head = 2 * h * double(m.vocabulary);
  switch (convention) {
    case FlopConvention::full_attention:
      return 3 * (linear + attention + head);
    case FlopConvention::causal:
      return 3 * (linear + attention / 2 + head);
    case FlopConvention::recomputed:
      return 4 * (linear + attention) + 3 * head;
    case FlopConvention::six_n:
      break;
  }
  return 6 * double(parameter_count(m));
}

}  // namespace assay
