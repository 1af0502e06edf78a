// One process alone.
#include <unistd.h>

#include <cstdlib>

#include "harness/communicators/communicator.h"
#include "harness/core/error.h"

namespace assay {
namespace {

class SingleCommunicator final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void barrier() override {}
  double maximum(double value) override { return value; }
  double broadcast(double value) override { return value; }
  std::string broadcast(const std::string& text) override { return text; }
  std::vector<std::string> gather(const std::string& text) override { return {text}; }
  std::string group_name() const override { return std::to_string(getpid()); }
};

}  // namespace

void Communicator::exchange(const void*, int to, void*, int from, std::size_t) {
  if (to >= 0 || from >= 0) throw MeasureError("this communicator moves nothing between two ranks");
}

void Communicator::abort(int exit_code) {
  end_others(exit_code);
  std::_Exit(exit_code);
}

std::unique_ptr<Communicator> make_single_communicator() { return std::make_unique<SingleCommunicator>(); }

}  // namespace assay
