#include "harness/workloads/collectives.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "harness/train/rank_meeting.h"
#include "harness/workloads/collective_problem.h"
#include "harness/workloads/collective_run.h"
#include "harness/workloads/kernel_rows.h"

namespace assay {
namespace {

void resolve(Case& point, int offered) {
  for (CaseAxis& axis : point.axes)
    if (axis.name == "ranks") axis.value = std::int64_t(collective_ranks(point, offered));
}

/// Without communication: for sizes and bandwidths.
CollectiveProblem problem_alone(Collective operation, const Case& point, int offered) {
  CollectivePeers peers;
  peers.ranks = peers.local = collective_ranks(point, offered);
  return collective_problem(operation, point, peers);
}

std::string validate(const Case& point) {
  const std::int64_t bytes = point.number("bytes"), size = std::int64_t(size_bytes(point.dtype));
  if (bytes % size != 0)
    return fmt::format("bytes={} is not a multiple of {}, the size of {}", bytes, size, name(point.dtype));
  return {};
}

/// What any kernel would refuse.
Support fits(const CollectiveProblem& problem, const Case& point) {
  const int ranks = problem.peers.ranks;
  if (problem.count == 0)
    return Support::no(fmt::format("bytes={} are less than one {} for each of {} ranks", point.number("bytes"),
                                   name(problem.dtype), ranks));
  if (problem.root >= ranks) return Support::no(fmt::format("root={}, but there are {} ranks", problem.root, ranks));
  if (info(problem.operation).reduces && ranks > most_exact_ranks(problem.dtype))
    return Support::no(
        fmt::format("sums of {} are exact for at most {} ranks", name(problem.dtype), most_exact_ranks(problem.dtype)));
  return Support::yes();
}

Support supports(Collective operation, const std::vector<CollectiveKernel>& kernels, const Case& point,
                 const Target& target, const Communicator& communicator) {
  const CollectiveKernel* kernel = find_row(kernels, point.kernel);
  if (!kernel) return Support::no("no kernel " + point.kernel + " in this build");
  if (kernel->device != target.device)
    return Support::no(
        fmt::format("{} runs on a {}, not on a {}", point.kernel, name(kernel->device), name(target.device)));
  if (std::find(kernel->dtypes.begin(), kernel->dtypes.end(), point.dtype) == kernel->dtypes.end())
    return Support::no(point.kernel + " has no " + name(point.dtype));
  if (target.device == Device::cpu && point.word_or("launch", "stream") == "graph")
    return Support::no("CUDA graphs are launched on GPUs: launch=stream");
  if (target.device == Device::cpu && point.word_or("nvls", "auto") == "off")
    return Support::no("there is no switch to reduce in: nvls=auto");
  const std::int64_t asked = point.number("ranks");
  if (communicator.size() > 1 && asked > 0 && asked != communicator.size())
    return Support::no(fmt::format("ranks={}, but the launcher started {} processes", asked, communicator.size()));
  if (communicator.size() > kMostCollectiveRanks)
    return Support::no(fmt::format("checks at most {} ranks", kMostCollectiveRanks));
  const bool all_gpus = target.device == Device::gpu && communicator.size() == 1;
  const int offered = all_gpus ? probe_gpus().count : communicator.size();
  if (all_gpus && asked > offered) return Support::no(fmt::format("ranks={}, but there are {} GPUs", asked, offered));
  const int ranks = collective_ranks(point, offered);
  const auto problem = collective_problem(operation, point, collective_peers(ranks, communicator));
  const Support fitting = fits(problem, point);
  return fitting.ok() ? kernel->supports(problem, target) : fitting;
}

/// Operations for which NCCL has kernels that work in the switch (NVLink SHARP).
bool may_use_switch(Collective operation) {
  return operation == Collective::all_reduce || operation == Collective::all_gather ||
         operation == Collective::reduce_scatter;
}

std::vector<AxisSpec> axes_of(Collective operation) {
  AxisSpec bytes{"bytes", "the operation's largest buffer (S of nccl-tests), bytes", {}, 1, std::int64_t(1) << 40, {}};
  if (operation == Collective::all_reduce) bytes.meaning = "message of one rank, bytes";
  AxisSpec ranks{"ranks",
                 "0: all processes of the MPI launcher, all GPUs, or 2 threads",
                 {},
                 0,
                 kMostCollectiveRanks,
                 AxisValue(std::int64_t(0))};
  AxisSpec placement{
      "placement", "in_place: the output overwrites the input", {"out_of_place"}, 0, 0, AxisValue("out_of_place")};
  if (info(operation).has_in_place) placement.words.push_back("in_place");
  std::vector<AxisSpec> axes = {bytes, ranks, placement};
  if (operation == Collective::broadcast)
    axes.push_back(
        {"root", "the rank that has the message", {}, 0, kMostCollectiveRanks - 1, AxisValue(std::int64_t(0)), true});
  axes.push_back({"buffers",
                  "user: the caller's own; registered: with the library; window: in memory all ranks' kernels reach",
                  {std::begin(kBufferKinds), std::end(kBufferKinds)},
                  0,
                  0,
                  AxisValue("user"),
                  true});
  axes.push_back(
      {"launch", "stream: call by call; graph: as CUDA graphs", {"stream", "graph"}, 0, 0, AxisValue("stream"), true});
  if (may_use_switch(operation))
    axes.push_back({"nvls",
                    "auto: as the library thinks right; off: nothing is reduced or multicast in the switch",
                    {"auto", "off"},
                    0,
                    0,
                    AxisValue("auto"),
                    true});
  if (operation == Collective::all_reduce)
    axes.push_back({"algo",
                    "auto: the kernel chooses",
                    {std::begin(kCollectiveAlgorithms), std::end(kCollectiveAlgorithms)},
                    0,
                    0,
                    AxisValue("auto"),
                    true});
  return axes;
}

}  // namespace

WorkloadKind collective_workload(Collective operation, const std::vector<CollectiveKernel>& kernels) {
  WorkloadKind kind;
  kind.name = name(operation);
  kind.meaning = fmt::format("{} (ranks: threads, MPI processes or GPUs of a node)", info(operation).meaning);
  kind.axes = axes_of(operation);
  kind.kernels = kernel_specs(kernels);
  kind.validate = validate;
  kind.resolve = resolve;
  kind.set_bytes = [operation](const Case& point) {
    return collective_set_bytes(problem_alone(operation, point, 0), point.device);
  };
  kind.work = [operation](const Case& point, int offered) {
    return collective_work(problem_alone(operation, point, offered));
  };
  kind.supports = [operation, &kernels](const Case& point, const Target& target, const Communicator& communicator) {
    return supports(operation, kernels, point, target, communicator);
  };
  kind.make = [operation, &kernels](const Case& point, WorkloadContext& context) -> std::unique_ptr<Workload> {
    const int slots = point.device == Device::gpu ? context.backend.slots() : 1;
    const int offered = slots * context.communicator.size();
    CollectivePeers peers = collective_peers(collective_ranks(point, offered), context.communicator);
    peers.meeting = make_rank_meeting(context.communicator);
    return std::make_unique<CollectiveRun>(point, context, kernel_named(kernels, point.kernel),
                                           collective_problem(operation, point, peers));
  };
  return kind;
}

}  // namespace assay
