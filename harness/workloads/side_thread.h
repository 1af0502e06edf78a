// A thread that does one thing at a time beside its owner.
#pragma once
#include <exception>
#include <functional>
#include <semaphore>
#include <thread>

namespace assay {

class SideThread {
 public:
  SideThread();
  ~SideThread();
  SideThread(const SideThread&) = delete;
  SideThread& operator=(const SideThread&) = delete;

  /// Every start() is followed by a wait(), which throws what the work threw.
  void start(std::function<void()> work);
  void wait();

 private:
  void serve();

  std::binary_semaphore asked_{0}, done_{0};
  std::function<void()> work_;  // empty: end
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace assay
