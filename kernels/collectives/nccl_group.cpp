#include "kernels/collectives/nccl_group.h"

#include <chrono>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>

#include "kernels/collectives/nccl_details.h"
#include "kernels/common/cuda_check.h"

namespace assay {
namespace {

/// ncclSimInfo_t of 2.22, which headers before lack and later ones kept.
struct Simulation {
  std::size_t size = sizeof(Simulation);
  unsigned magic = 0x74685283;
  unsigned version = 22200;
  float estimated_time = -1;  // microseconds; -1: NCCL's "undefined"
};

// Before what rank 0 tells the others: an identifier, or why it has none.
constexpr char kIdentifier = 'i', kNone = '-';

std::string told_by_rank_0(const NcclLibrary& nccl) {
  try {
    ncclUniqueId id;
    nccl.check(nccl.get_unique_id(&id), "ncclGetUniqueId");
    return kIdentifier + std::string(id.internal, sizeof id.internal);
  } catch (const std::runtime_error& error) {
    return kNone + std::string(error.what());
  }
}

ncclUniqueId identifier(const std::string& told) {
  ncclUniqueId id;
  if (told.empty() || told.front() != kIdentifier || told.size() != 1 + sizeof id.internal)
    throw std::runtime_error("rank 0 has no identifier for NCCL: " + (told.empty() ? told : told.substr(1)));
  std::memcpy(id.internal, told.data() + 1, sizeof id.internal);
  return id;
}

}  // namespace

NcclGroup::NcclGroup(const std::vector<int>& devices, bool nvls)
    : devices_(devices), comms_(devices.size(), nullptr), ranks_(int(devices.size())) {
  const CurrentDevice keep;
  make("ncclCommInitAll", nvls,
       [&] { return nccl_.comm_init_all(comms_.data(), int(devices_.size()), devices_.data()); });
}

NcclGroup::NcclGroup(int device, const CollectivePeers& peers, bool nvls)
    : devices_{device}, comms_{nullptr}, ranks_(peers.ranks), first_rank_(peers.first_local) {
  if (!peers.meeting) throw std::logic_error("nccl: ranks that cannot tell each other anything");
  const CurrentDevice keep;
  ASSAY_CHECK_CUDA(cudaSetDevice(device));
  const ncclUniqueId id = identifier(peers.meeting->broadcast(first_rank_ == 0 ? told_by_rank_0(nccl_) : ""));
  peers.meeting->connect([&] {
    make("ncclCommInitRank", nvls, [&] { return nccl_.comm_init_rank(comms_.data(), ranks_, id, first_rank_); });
  });
}

void NcclGroup::make(const char* call, bool nvls, const std::function<ncclResult_t()>& init) {
  std::optional<ScopedVariable> without;
  if (!nvls) without.emplace("NCCL_ALGO", "^NVLS,NVLSTree");
  const auto before = std::chrono::steady_clock::now();
  nccl_.check(init(), call);
  init_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
}

double NcclGroup::predict(const std::function<ncclResult_t(int local)>& call) {
  Simulation simulation;
  failed_ = true;  // until the group is known to have ended
  nccl_.check(nccl_.group_start(), "ncclGroupStart");
  ncclResult_t first_error = ncclSuccess;
  for (int local = 0; local < locals() && first_error == ncclSuccess; ++local) first_error = call(local);
  const ncclResult_t group = nccl_.group_simulate_end(&simulation);  // also after an error
  nccl_.check(first_error, "enqueueing for a prediction");
  nccl_.check(group, "ncclGroupSimulateEnd");
  failed_ = false;
  return simulation.estimated_time;
}

NcclGroup::~NcclGroup() {
  // Destroying waits for what is enqueued, which after a fault never ends: then abort.
  for (const ncclComm_t comm : comms_) {
    ncclResult_t state = ncclSuccess;
    const bool sound = !failed_ && nccl_.async_error(comm, &state) == ncclSuccess && state == ncclSuccess;
    sound ? nccl_.comm_destroy(comm) : nccl_.comm_abort(comm);
  }
}

void NcclGroup::check_async() const {
  for (const ncclComm_t comm : comms_) {
    ncclResult_t state = ncclSuccess;
    nccl_.check(nccl_.async_error(comm, &state), "ncclCommGetAsyncError", comm);
    nccl_.check(state, "NCCL, in an earlier launch", comm);
  }
}

std::shared_ptr<NcclGroup> nccl_group(const CollectivePeers& peers, const std::vector<int>& devices, bool nvls) {
  if (peers.single_process()) return std::make_shared<NcclGroup>(devices, nvls);
  if (!peers.meeting) throw std::logic_error("nccl: ranks that cannot tell each other anything");
  std::weak_ptr<void>& made = peers.meeting->made[nvls ? "nccl" : "nccl without NVLS"];
  if (const std::shared_ptr<void> there = made.lock()) return std::static_pointer_cast<NcclGroup>(there);
  auto group = std::make_shared<NcclGroup>(devices.at(0), peers, nvls);
  made = group;
  return group;
}

CurrentDevice::CurrentDevice() { ASSAY_CHECK_CUDA(cudaGetDevice(&device_)); }
CurrentDevice::~CurrentDevice() { cudaSetDevice(device_); }

}  // namespace assay
