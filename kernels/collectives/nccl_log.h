// What NCCL's own log says of the algorithm it chose.  It has no call that tells (2.30 neither); its log does, one line
// for every collective, in the subsystem TUNING.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace assay {

struct NcclChoice {
  std::string algorithm;  // "RING", "TREE", "NVLS", "COLLNET_DIRECT"; of symmetric kernels the kernel's name
  std::string protocol;   // "LL", "LL128", "SIMPLE"; empty for symmetric kernels, which have none
  int channels = 0;       // 0: the line does not say
};

/// The last such line of NCCL's function ("AllReduce") in a log.  Its forms, by version:
///   AllReduce: 1048576 Bytes -> Algo RING proto LL128 channel{Lo..Hi}={0..23}               (2.23 and later)
///   1048576 Bytes -> Algo 1 proto 2 time 33.250000                 (before; the function's name is not there, or is)
///   AllReduce [Symmetric]: 1048576 Bytes -> Kernel AllReduce_RSxLDMC_AGxSTMC nchannels 8 nthreads 512 nWorks 1
std::optional<NcclChoice> find_nccl_choice(std::string_view log, std::string_view function);

}  // namespace assay
