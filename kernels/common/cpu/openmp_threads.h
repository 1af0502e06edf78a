// How a library that asks OpenMP for its thread count is told one.
#pragma once
#include <omp.h>

namespace assay {

/// Sets the number of threads OpenMP would use in this thread's next region, and puts the old number back.  OpenBLAS
/// and oneDNN built on OpenMP both follow it; OpenBLAS's own setter would change it for good, for everybody.
class OpenMpThreads {
 public:
  explicit OpenMpThreads(int threads) : before_(omp_get_max_threads()) { omp_set_num_threads(threads); }
  ~OpenMpThreads() { omp_set_num_threads(before_); }
  OpenMpThreads(const OpenMpThreads&) = delete;
  OpenMpThreads& operator=(const OpenMpThreads&) = delete;

 private:
  int before_;
};

}  // namespace assay
