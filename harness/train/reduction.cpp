// How gradients are summed over the ranks: all at once after backward, or in buckets beside it.
#include <fmt/format.h>

#include "harness/train/launches.h"

namespace assay {

std::shared_ptr<CollectiveOperation> StepLaunches::all_reduce(std::int64_t count, const CollectiveBuffers& buffers) {
  auto& known = std::get<Prepared<CollectiveBuffers>>(prepared_)[std::to_string(count)];
  if (known) return known;
  CollectiveProblem p;
  p.operation = Collective::all_reduce, p.count = count, p.dtype = DType::f32, p.in_place = true;
  p.peers.ranks = communicator_.size(), p.peers.first_local = communicator_.rank(), p.peers.local = 1;
  p.peers.mpi = true, p.peers.one_host = communicator_.one_host(), p.peers.shared_name = communicator_.group_name();
  p.peers.meeting = meeting_;
  p.same_bits = true;
  p.side_thread = beside_ && target_.device == Device::cpu;
  const CollectiveKernel& row =
      named_kernel(collective_kernels(), kernels_.all_reduce, p, target_, "all-reduce of gradients");
  known = row.prepare(p, target_, {buffers}, stream_);
  return known;
}

CollectiveBuffers StepLaunches::gradients_in_place(const GradientRange& range, Stream stream) const {
  CollectiveBuffers b;
  float* const at = t_.gradients + range.begin;
  b.input = {at}, b.output = {at}, b.streams = {stream};
  return b;
}

void StepLaunches::written(const ParameterTensor& tensor) {
  if (!buckets_) return;
  for (const GradientRange& range : buckets_->written(tensor)) {
    const CollectiveBuffers here = gradients_in_place(range, stream_);
    const auto operation = all_reduce(range.count(), here);
    const auto launch = [operation, here](Stream stream) {
      CollectiveBuffers b = here;
      b.streams = {stream};
      operation->launch(b, stream);
    };
    ops_.push_back({KernelClass::communication, fmt::format("all_reduce of {} gradients", range.count()),
                    [beside = beside_, launch] { beside->start(launch); },
                    [launch, stream = stream_] { launch(stream); }});
  }
}

void StepLaunches::reduce() {
  if (buckets_) {
    ops_.push_back({KernelClass::communication, "wait for all_reduce", [beside = beside_] { beside->join(); }, {}});
    return;
  }
  const CollectiveBuffers all = gradients_in_place({0, layout_.size}, stream_);
  add(KernelClass::communication, "all_reduce", all_reduce(layout_.size, all), all);
}

}  // namespace assay
