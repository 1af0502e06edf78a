// NCCL's communicators of this process: one for each GPU that it drives, of all the GPUs there are, or one as a rank
// among other processes' GPUs.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "kernels/collectives/collectives.h"
#include "kernels/collectives/nccl_library.h"

namespace assay {

class NcclGroup {
 public:
  /// All GPUs are this process's.  Without `nvls`, algorithms that reduce or multicast in the switch are excluded:
  /// NCCL_ALGO is set while the communicators are made, which is when NCCL reads it.  (NCCL_NVLS_ENABLE is read once in
  /// a process, and no member of ncclConfig_t says it: nvlsCTAs only says how many blocks such a kernel has.)
  NcclGroup(const std::vector<int>& devices, bool nvls);
  /// Rank peers.first_local, on that device; the other ranks are other processes'.  Collective over the meeting.
  /// std::runtime_error on every rank where rank 0's NCCL has no identifier to give.  The communicator is a blocking
  /// one, since one that is not has every launch enqueued by another thread, whose time would be measured; that the
  /// making of it ends is the meeting's to see to.
  NcclGroup(int device, const CollectivePeers& peers, bool nvls);
  NcclGroup(const NcclGroup&) = delete;
  NcclGroup& operator=(const NcclGroup&) = delete;
  ~NcclGroup();

  const NcclLibrary& nccl() const { return nccl_; }
  int ranks() const { return ranks_; }
  /// Of this process.  What follows counts its own communicators from 0.
  int locals() const { return int(comms_.size()); }
  int rank(int local) const { return first_rank_ + local; }
  ncclComm_t comm(int local) const { return comms_[std::size_t(local)]; }
  int device(int local) const { return devices_[std::size_t(local)]; }
  const std::vector<int>& devices() const { return devices_; }
  /// Making the communicators took.
  double init_seconds() const { return init_seconds_; }

  /// Microseconds that NCCL expects of `call(local)` for every communicator, which is not carried out.
  double predict(const std::function<ncclResult_t(int local)>& call);

  /// `call(local)` for every communicator in one NCCL group.  After an error the group is to be aborted.
  template <class Call>
  void together(const char* what, const Call& call) {
    failed_ = true;  // until all calls are known to be enqueued
    nccl_.check(nccl_.group_start(), "ncclGroupStart");
    ncclResult_t first_error = ncclSuccess;
    for (int local = 0; local < locals() && first_error == ncclSuccess; ++local) first_error = call(local);
    const ncclResult_t group = nccl_.group_end();  // also after an error: the group belongs to the thread
    nccl_.check(first_error, what);
    nccl_.check(group, "ncclGroupEnd");
    failed_ = false;
  }

  /// What went wrong in earlier launches, a lost link say: NCCL tells only who asks.
  void check_async() const;

 private:
  void make(const char* call, bool nvls, const std::function<ncclResult_t()>& init);

  NcclLibrary nccl_;
  std::vector<int> devices_;
  std::vector<ncclComm_t> comms_;
  int ranks_ = 1, first_rank_ = 0;
  double init_seconds_ = 0;
  bool failed_ = false;
};

/// The group of these peers on the devices of its own ranks: where it is one rank among processes, the one that there
/// is already, if any.
std::shared_ptr<NcclGroup> nccl_group(const CollectivePeers&, const std::vector<int>& devices, bool nvls);

/// Keeps the calling thread's current device, which NCCL's calls and ours change.
class CurrentDevice {
 public:
  CurrentDevice();
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;
  ~CurrentDevice();

 private:
  int device_ = 0;
};

}  // namespace assay
