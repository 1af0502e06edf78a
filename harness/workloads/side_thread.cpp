#include "harness/workloads/side_thread.h"

#include <utility>

namespace assay {

SideThread::SideThread() : thread_([this] { serve(); }) {}

SideThread::~SideThread() {
  work_ = nullptr;
  asked_.release();
  thread_.join();
}

void SideThread::start(std::function<void()> work) {
  work_ = std::move(work);
  asked_.release();
}

void SideThread::wait() {
  done_.acquire();
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void SideThread::serve() {
  while (true) {
    asked_.acquire();
    if (!work_) return;
    try {
      work_();
    } catch (...) {
      error_ = std::current_exception();
    }
    done_.release();
  }
}

}  // namespace assay
