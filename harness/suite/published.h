// configs/published: what others measured, each figure with its source.
#pragma once
#include <string>
#include <vector>

#include "kernels/common/dtype.h"

namespace assay {

struct PublishedRate {
  std::string accelerator;  // "h100", of configs/accelerators
  DType dtype = DType::bf16;
  double flops_per_second = 0;
  std::string shape;       // "m=2048 n=2048 k=13312"; empty where the source does not say
  std::string source;      // document and date
  std::string conditions;  // what the source says of how it was measured, and what it does not
};

/// Maximum achievable matmul FLOP/s (configs/published/mamf.json), parsed and validated once.
const std::vector<PublishedRate>& published_matmul_rates();

/// All of configs/published, file by file.
const std::vector<PublishedRate>& published_rates();

}  // namespace assay
