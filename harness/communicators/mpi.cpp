#include "harness/communicators/mpi.h"

#include <unistd.h>

#include <cstdio>
#include <exception>
#include <limits>
#include <numeric>
#include <random>

#include <fmt/format.h>

#include "harness/core/error.h"
#include "kernels/common/mpi/mpi_library.h"

namespace assay {
namespace {

int checked_length(std::size_t bytes) {
  if (bytes > std::size_t(std::numeric_limits<int>::max()))
    throw MeasureError(fmt::format("a message of {} bytes is more than MPI counts", bytes));
  return int(bytes);
}

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator() : module_(load_mpi_module()), unwinding_(std::uncaught_exceptions()) {
    check(module_.initialise(), "MPI_Init");
    rank_ = module_.rank();
    size_ = module_.size();
    group_name_ = broadcast(fmt::format("{}-{:08x}", getpid(), std::random_device{}()));
  }
  MpiCommunicator(const MpiCommunicator&) = delete;
  MpiCommunicator& operator=(const MpiCommunicator&) = delete;

  ~MpiCommunicator() override {
    if (size_ > 1 && std::uncaught_exceptions() > unwinding_) {
      std::fputs(fmt::format("assay: rank {} failed; ending all {} ranks\n", rank_, size_).c_str(), stderr);
      abort(int(ExitCode::could_not_measure));
    }
    // Whoever is lost now is lost here, in a message among ranks: MPI's end waits in the launcher's daemon, and the
    // mpirun of Open MPI 4.1 then hangs, after every rank has ended.
    module_.barrier();
    module_.finalise();
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  bool one_host() const override { return module_.is_one_host(); }
  std::string group_name() const override { return group_name_; }
  void barrier() override { check(module_.barrier(), "MPI_Barrier"); }

  double maximum(double value) override {
    check(module_.maximum(&value), "MPI_Allreduce");
    return value;
  }

  double broadcast(double value) override {
    check(module_.broadcast(&value, sizeof value), "MPI_Bcast");
    return value;
  }

  std::string broadcast(const std::string& text) override {
    const auto length = std::size_t(broadcast(double(checked_length(text.size()))));
    std::string received = is_root() ? text : std::string(length, '\0');
    check(module_.broadcast(received.data(), int(length)), "MPI_Bcast");
    return received;
  }

  std::vector<std::string> gather(const std::string& text) override {
    std::vector<int> lengths(static_cast<std::size_t>(size_)), offsets(lengths.size());
    check(module_.all_gather_int(checked_length(text.size()), lengths.data()), "MPI_Allgather");
    checked_length(std::accumulate(lengths.begin(), lengths.end(), std::size_t(0)));
    std::exclusive_scan(lengths.begin(), lengths.end(), offsets.begin(), 0);
    std::string all(std::size_t(offsets.back() + lengths.back()), '\0');
    check(module_.all_gather_bytes(text.data(), int(text.size()), all.data(), lengths.data(), offsets.data()),
          "MPI_Allgatherv");
    std::vector<std::string> texts;
    for (std::size_t r = 0; r < lengths.size(); ++r)
      texts.push_back(all.substr(std::size_t(offsets[r]), std::size_t(lengths[r])));
    return texts;
  }

  void exchange(const void* out, int to, void* in, int from, std::size_t bytes) override {
    check(module_.exchange(out, to, in, from, checked_length(bytes)), "MPI_Sendrecv");
  }

  std::string description() const override {
    char version[256];
    module_.library_version(version, sizeof version);
    return version;
  }

 protected:
  void end_others(int exit_code) override { module_.abort(exit_code); }

 private:
  void check(int code, const char* call) const {
    try {
      check_mpi(module_, code, call);
    } catch (const std::runtime_error& error) {
      throw MeasureError(error.what());
    }
  }

  const MpiModule& module_;
  int unwinding_;  // exceptions in flight when this was made: more of them later means the scope is being left by one
  int rank_ = 0, size_ = 1;
  std::string group_name_;
};

}  // namespace

std::unique_ptr<Communicator> make_mpi_communicator() { return std::make_unique<MpiCommunicator>(); }

}  // namespace assay
