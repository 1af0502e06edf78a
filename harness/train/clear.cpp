#include "harness/train/clear.h"

#include <algorithm>
#include <cstring>

namespace assay {
namespace {

// A page of fp32: below it, a thread's share is not worth its start.
constexpr std::int64_t kPiece = 1024;

}  // namespace

std::function<void()> clear_floats(float* array, std::int64_t count, Backend& backend) {
  const Target target = backend.target();
  if (target.device == Device::gpu)
    return [array, count, &backend] { backend.enqueue_fill(array, 0, std::size_t(count) * sizeof(float)); };
  return [array, count, threads = target.threads] {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (std::int64_t begin = 0; begin < count; begin += kPiece)
      std::memset(array + begin, 0, std::size_t(std::min(kPiece, count - begin)) * sizeof(float));
  };
}

}  // namespace assay
