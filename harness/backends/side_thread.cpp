#include "harness/backends/side_thread.h"

#include <utility>

namespace assay {

SideThread::SideThread() : thread_([this] { serve(); }) {}

SideThread::~SideThread() {
  {
    const std::lock_guard lock(mutex_);
    waiting_.clear();
    ending_ = true;
  }
  asked_.notify_one();
  thread_.join();
}

void SideThread::start(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (error_) return;  // for wait() to say
    waiting_.push_back(std::move(work));
  }
  asked_.notify_one();
}

void SideThread::wait() {
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return waiting_.empty() && !working_; });
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void SideThread::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    asked_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (ending_) return;
    run(lock);
    if (waiting_.empty()) done_.notify_one();
  }
}

void SideThread::run(std::unique_lock<std::mutex>& lock) {
  std::function<void()> work = std::move(waiting_.front());
  waiting_.pop_front();
  working_ = true;
  lock.unlock();
  std::exception_ptr error;
  try {
    work();
  } catch (...) {
    error = std::current_exception();
  }
  work = nullptr;  // what it holds goes before wait() returns
  lock.lock();
  working_ = false;
  if (!error) return;
  error_ = error;
  waiting_.clear();
}

}  // namespace assay
