#include "harness/train/beside.h"

#include <utility>

#include "harness/backends/cores.h"

namespace assay {

BesideStep::BesideStep(Backend& backend) : backend_(backend) {
  if (backend.target().device == Device::gpu) return;
  thread_ = std::make_unique<SideThread>();
  thread_->start([cores = cores_beside(backend.target().threads)] {
    settle_on(cores.front());  // denormals are flushed as in the step's threads: the same sums, bit for bit
    run_on(cores);
  });
  thread_->wait();
}

void BesideStep::start(std::function<void(Stream)> launch) {
  if (thread_) return thread_->start([work = std::move(launch)] { work(nullptr); });
  backend_.fork_second();
  launch(backend_.second_stream());
}

void BesideStep::join() {
  if (thread_) return thread_->wait();
  backend_.join_second();
}

}  // namespace assay
