// Several processes as far as supports() sees them.
#pragma once
#include <string>
#include <vector>

#include "harness/communicators/communicator.h"

namespace assay {

class Processes final : public Communicator {
 public:
  explicit Processes(int size) : size_(size) {}
  int rank() const override { return 0; }
  int size() const override { return size_; }
  void barrier() override {}
  double maximum(double value) override { return value; }
  double broadcast(double value) override { return value; }
  std::string broadcast(const std::string& text) override { return text; }
  std::vector<std::string> gather(const std::string& text) override {
    return std::vector<std::string>(std::size_t(size_), text);
  }
  std::string group_name() const override { return "processes"; }

 private:
  int size_;
};

}  // namespace assay
