// NCCL's collectives over all GPUs of the node, driven by this process, or over the GPUs of several processes, one
// each, on one node or many: between plain buffers, buffers registered with every communicator (NCCL 2.19), and buffers
// in a symmetric window of NCCL's own memory (2.27), which its symmetric kernels and NVLink SHARP want.  Launched call
// by call or as CUDA graphs; with NVLink SHARP left to NCCL or excluded.
//
// NVLink SHARP's sums of floating-point numbers differ from call to call, by NVIDIA's own word (NCCL issue 1497):
// whoever asks for the same bits gets a communicator without it, unless NCCL_ALGO in the environment chose already.
#include "kernels/collectives/nccl.h"

#include <cstdlib>
#include <functional>
#include <set>
#include <stdexcept>

#include "kernels/collectives/nccl_details.h"
#include "kernels/collectives/nccl_graph.h"
#include "kernels/collectives/nccl_group.h"
#include "kernels/common/cuda_check.h"

namespace assay {
namespace {

constexpr int kSymmetric = 1;  // NCCL_WIN_COLL_SYMMETRIC, which headers before 2.27 lack

ncclDataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::bf16:
      return ncclBfloat16;
    case DType::f16:
      return ncclFloat16;
    case DType::e4m3:
      return ncclDataType_t(10);  // ncclFloat8e4m3 and ncclFloat8e5m2, which headers before 2.24 lack
    case DType::e5m2:
      return ncclDataType_t(11);
    default:
      return ncclFloat32;
  }
}

/// What NCCL's log calls it.
const char* function_of(Collective operation) {
  switch (operation) {
    case Collective::all_reduce:
      return "AllReduce";
    case Collective::all_gather:
      return "AllGather";
    case Collective::reduce_scatter:
      return "ReduceScatter";
    case Collective::broadcast:
      return "Broadcast";
    case Collective::all_to_all:
      return "AlltoAll";
    case Collective::send_recv:
      return "SendRecv";
  }
  return "";
}

// The GPU of each local rank is where its output lies.
std::vector<int> devices_of(const CollectiveBuffers& buffers) {
  std::vector<int> devices;
  for (const void* output : buffers.output) {
    cudaPointerAttributes attributes{};
    ASSAY_CHECK_CUDA(cudaPointerGetAttributes(&attributes, output));
    if (attributes.type != cudaMemoryTypeDevice) throw std::runtime_error("nccl: a buffer is not in a GPU's memory");
    devices.push_back(attributes.device);
  }
  if (std::set<int>(devices.begin(), devices.end()).size() != devices.size())
    throw std::runtime_error("nccl: two ranks on one GPU");
  return devices;
}

std::vector<int> devices_of(const std::vector<Target>& targets) {
  std::vector<int> devices;
  for (const Target& target : targets) devices.push_back(target.index);
  return devices;
}

/// What waits for other processes, where there are any, under the eyes of who finds the lost ones.
void connect(const CollectivePeers& peers, const std::function<void()>& work) {
  peers.meeting ? peers.meeting->connect(work) : work();
}

/// NCCL's own memory on every GPU, registered as one symmetric window.  Its communicators are those of the operations
/// on it: a registration belongs to them.
class NcclWindow final : public CollectiveWindow {
 public:
  NcclWindow(const CollectivePeers& peers, const std::vector<int>& devices, std::size_t bytes)
      : group_(nccl_group(peers, devices, true)), windows_(devices.size()) {
    const CurrentDevice keep;
    const NcclLibrary& nccl = group_->nccl();
    for (int local = 0; local < group_->locals(); ++local) {
      ASSAY_CHECK_CUDA(cudaSetDevice(group_->device(local)));
      void* data = nullptr;
      nccl.check(nccl.memory_allocate(&data, bytes), "ncclMemAlloc");
      data_.emplace_back(data, nccl.memory_free);
      ASSAY_CHECK_CUDA(cudaMemset(data, 0, bytes));
      ASSAY_CHECK_CUDA(cudaDeviceSynchronize());
    }
    const auto registration = [&](int local) {
      const auto l = std::size_t(local);
      return nccl.window_register(group_->comm(local), data_[l].get(), bytes, &windows_[l], kSymmetric);
    };
    connect(peers, [&] { group_->together("ncclCommWindowRegister", registration); });
  }

  ~NcclWindow() override {
    const NcclLibrary& nccl = group_->nccl();
    for (int local = 0; local < group_->locals(); ++local)
      if (void* const window = windows_[std::size_t(local)]) nccl.window_deregister(group_->comm(local), window);
  }

  std::byte* data(int local) const override { return static_cast<std::byte*>(data_[std::size_t(local)].get()); }
  const std::shared_ptr<NcclGroup>& group() const { return group_; }

 private:
  using Memory = std::unique_ptr<void, decltype(NcclLibrary::memory_free)>;
  std::shared_ptr<NcclGroup> group_;
  std::vector<Memory> data_;    // per local rank
  std::vector<void*> windows_;  // per local rank
};

bool excludes_nvls(const CollectiveProblem& problem) {
  return !problem.nvls ||
         (problem.same_bits && NcclLibrary().version() >= kNcclNvls && std::getenv("NCCL_ALGO") == nullptr);
}

std::shared_ptr<NcclGroup> group_for(const CollectiveProblem& problem, const CollectiveBuffers& buffers) {
  if (problem.buffers != BufferKind::window)
    return nccl_group(problem.peers, devices_of(buffers), !excludes_nvls(problem));
  const auto* window = dynamic_cast<const NcclWindow*>(buffers.window);
  if (!window) throw std::logic_error("nccl: the buffers lie in no window of this kernel");
  return window->group();
}

class NcclOperation final : public CollectiveOperation {
 public:
  NcclOperation(const CollectiveProblem& problem, const std::vector<CollectiveBuffers>& sets)
      : problem_(problem),
        type_(type_of(problem.dtype)),
        group_(group_for(problem, sets.front())),
        graphs_(group_->devices()) {
    connect(problem.peers, [&] {
      if (problem.buffers == BufferKind::registered) register_all(sets);
      // The first launch connects, which allocates memory, so waits for the device, and takes the hosts of all ranks:
      // before anything is captured, and before any rank's launches are held back.
      if (problem.graph || !problem.peers.single_process()) launch_and_wait(sets.front());
      if (problem.graph) capture_all(sets);
    });
  }

  ~NcclOperation() override {
    graphs_.clear();  // they use what is deregistered here
    for (const auto& [local, handle] : registrations_) group_->nccl().comm_deregister(group_->comm(local), handle);
  }

  void launch(const CollectiveBuffers& buffers, Stream) override {
    group_->check_async();
    problem_.graph ? graphs_.launch(buffers) : enqueue_all(buffers);
  }

  std::vector<Detail> details(const CollectiveBuffers& buffers, Stream) override {
    std::vector<Detail> out = {{"communicator_seconds", group_->init_seconds(), {}}};
    const auto call = [&](int local) { return enqueue(local, buffers); };
    const char* function = function_of(problem_.operation);
    for (Detail& one : nccl_details(*group_, problem_.peers, function, call, [&] { enqueue_all(buffers); })) {
      const auto* algorithm = one.name == "algorithm" ? std::get_if<std::string>(&one.value) : nullptr;
      if (!problem_.nvls && algorithm && algorithm->find("NVLS") != std::string::npos)
        out.push_back({"nvls", std::string("asked off, and NCCL chose it all the same"), {}});
      out.push_back(std::move(one));
    }
    return out;
  }

  std::string description() const override {
    const NcclLibrary& nccl = group_->nccl();
    std::string text = "NCCL " + nccl_version_text(nccl.version()) + " (headers " +
                       nccl_version_text(NCCL_VERSION_CODE) + "), " + std::to_string(group_->ranks()) +
                       (group_->ranks() == 1 ? " GPU" : " GPUs") + ", buffers " + name(problem_.buffers);
    if (!problem_.peers.single_process()) text += ", a process for each GPU";
    if (problem_.graph) text += ", CUDA graphs";
    if (excludes_nvls(problem_)) text += ", NCCL_ALGO=^NVLS,NVLSTree";
    if (problem_.operation == Collective::all_to_all)
      text += nccl.all_to_all ? ", ncclAlltoAll" : ", grouped sends and receives";
    return text;
  }

 private:
  void register_all(const std::vector<CollectiveBuffers>& sets) {
    for (const CollectiveBuffers& set : sets)
      for (int local = 0; local < group_->locals(); ++local) {
        const auto l = std::size_t(local);
        register_with(local, const_cast<void*>(set.input[l]), problem_.bytes_of(problem_.input_count()));
        register_with(local, set.output[l], problem_.bytes_of(problem_.output_count()));
      }
  }

  /// The buffers' values do not matter yet, nor does it that in place they change.
  void launch_and_wait(const CollectiveBuffers& buffers) {
    const CurrentDevice keep;
    enqueue_all(buffers);
    for (int local = 0; local < group_->locals(); ++local) {
      ASSAY_CHECK_CUDA(cudaSetDevice(group_->device(local)));
      ASSAY_CHECK_CUDA(cudaStreamSynchronize(static_cast<cudaStream_t>(buffers.streams[std::size_t(local)])));
    }
  }

  void capture_all(const std::vector<CollectiveBuffers>& sets) {
    const CurrentDevice keep;
    for (const CollectiveBuffers& set : sets) graphs_.capture(set, [&] { enqueue_all(set); });
  }

  void register_with(int local, void* data, std::int64_t bytes) {
    void* handle = nullptr;
    const NcclLibrary& nccl = group_->nccl();
    nccl.check(nccl.comm_register(group_->comm(local), data, std::size_t(bytes), &handle), "ncclCommRegister");
    registrations_.emplace_back(local, handle);
  }

  void enqueue_all(const CollectiveBuffers& buffers) {
    group_->together(name(problem_.operation), [&](int local) { return enqueue(local, buffers); });
  }

  ncclResult_t enqueue(int local, const CollectiveBuffers& buffers) const {
    const auto l = std::size_t(local);
    return enqueue(local, buffers.input[l], buffers.output[l], buffers.streams[l]);
  }

  ncclResult_t enqueue(int local, const void* input, void* output, Stream stream) const {
    const NcclLibrary& nccl = group_->nccl();
    const ncclComm_t comm = group_->comm(local);
    const auto count = std::size_t(problem_.count), part = std::size_t(problem_.part());
    switch (problem_.operation) {
      case Collective::all_reduce:
        return nccl.all_reduce(input, output, count, type_, ncclSum, comm, stream);
      case Collective::all_gather:
        return nccl.all_gather(input, output, part, type_, comm, stream);
      case Collective::reduce_scatter:
        return nccl.reduce_scatter(input, output, part, type_, ncclSum, comm, stream);
      case Collective::broadcast:
        return nccl.broadcast(input, output, count, type_, problem_.root, comm, stream);
      case Collective::all_to_all:
        if (nccl.all_to_all) return nccl.all_to_all(input, output, part, type_, comm, stream);
        return all_to_all_by_parts(local, input, output, stream);
      case Collective::send_recv: {
        const int n = group_->ranks(), rank = group_->rank(local);
        const ncclResult_t sent = nccl.send(input, count, type_, (rank + 1) % n, comm, stream);
        return sent != ncclSuccess ? sent : nccl.recv(output, count, type_, (rank + n - 1) % n, comm, stream);
      }
    }
    return ncclInvalidArgument;
  }

  ncclResult_t all_to_all_by_parts(int local, const void* input, void* output, Stream stream) const {
    const NcclLibrary& nccl = group_->nccl();
    const ncclComm_t comm = group_->comm(local);
    const auto part = std::size_t(problem_.part());
    ncclResult_t result = ncclSuccess;
    for (int peer = 0; peer < group_->ranks() && result == ncclSuccess; ++peer) {
      const auto offset = std::size_t(problem_.bytes_of(peer * problem_.part()));
      result = nccl.send(static_cast<const std::byte*>(input) + offset, part, type_, peer, comm, stream);
      if (result == ncclSuccess)
        result = nccl.recv(static_cast<std::byte*>(output) + offset, part, type_, peer, comm, stream);
    }
    return result;
  }

  CollectiveProblem problem_;
  ncclDataType_t type_;
  std::shared_ptr<NcclGroup> group_;
  NcclGraphs graphs_;                                 // go before the communicators
  std::vector<std::pair<int, void*>> registrations_;  // local rank and handle
};

/// What the NCCL that was loaded lacks for this problem.
Support library_supports(const NcclLibrary& nccl, const CollectiveProblem& problem, const Target& target) {
  const std::string loaded = "NCCL " + nccl_version_text(nccl.version());
  if (problem.buffers == BufferKind::registered && !nccl.registers())
    return Support::no(loaded + " registers no buffers: 2.19 or later does");
  if (problem.buffers == BufferKind::window && !nccl.has_windows())
    return Support::no(loaded + " has no symmetric windows: 2.27 or later has");
  if (!problem.nvls && nccl.version() < kNcclNvls)
    return Support::no(loaded + " has no NVLink SHARP to turn off: 2.17 or later has");
  if (info(problem.dtype).bits == 8 && nccl.version() < kNcclFloat8)
    return Support::no(loaded + " has no 8-bit types: 2.24 or later has");
  if (info(problem.dtype).bits == 8 && target.compute_capability < 90)
    return Support::no("NCCL sums 8-bit types on sm_90 and later");
  return Support::yes();
}

Support supports(const CollectiveProblem& problem, const Target& target) {
  if (target.device != Device::gpu) return Support::no("runs between GPUs");
  if (!problem.peers.single_process() && !(problem.peers.mpi && problem.peers.local == 1))
    return Support::no("drives all GPUs from one process, or one from each of an MPI launcher's");
  if (problem.algorithm != "auto")
    return Support::no("NCCL chooses its algorithm itself (or NCCL_ALGO in the environment): algo=auto");
  if (!problem.nvls && problem.buffers == BufferKind::window)
    return Support::no("NCCL's symmetric kernels choose the switch themselves: nvls=auto");
  if (!problem.nvls && std::getenv("NCCL_ALGO"))
    return Support::no("NCCL_ALGO is set in the environment, which nvls=off would have to change");
  // NCCL then enqueues nothing, and no time is no rate.  Out of place it copies, which shows that it works.
  if (problem.peers.ranks == 1 && problem.in_place) return Support::no("one GPU in place: there is nothing to do");
  try {
    return library_supports(NcclLibrary(), problem, target);
  } catch (const std::runtime_error& error) {
    return Support::no(std::string("NCCL cannot be used: ") + error.what());
  }
}

}  // namespace

CollectiveKernel nccl_kernel() {
  CollectiveKernel kernel;
  kernel.name = "nccl";
  kernel.device = Device::gpu;
  kernel.vendor = true;
  kernel.dtypes = {DType::f32, DType::bf16, DType::f16, DType::e4m3, DType::e5m2};
  kernel.supports = supports;
  kernel.make_window = [](const CollectiveProblem& problem, const std::vector<Target>& targets, std::size_t bytes) {
    return std::make_unique<NcclWindow>(problem.peers, devices_of(targets), bytes);
  };
  kernel.prepare = [](const CollectiveProblem& problem, const Target&, const std::vector<CollectiveBuffers>& sets,
                      Stream) { return std::make_unique<NcclOperation>(problem, sets); };
  return kernel;
}

}  // namespace assay
