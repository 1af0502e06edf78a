// The processes of one measurement.  Alone, every call is the identity.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace assay {

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual void barrier() = 0;
  /// The largest of all ranks' values, on every rank.
  virtual double maximum(double) = 0;
  /// Rank 0's value, on every rank.
  virtual double broadcast(double) = 0;
  virtual std::string broadcast(const std::string&) = 0;
  /// Every rank's text in rank order, on every rank.
  virtual std::vector<std::string> gather(const std::string&) = 0;
  /// A name shared by the group's processes and by no other group on this host.
  virtual std::string group_name() const = 0;

  bool is_root() const { return rank() == 0; }
};

std::unique_ptr<Communicator> make_single_communicator();

/// MPI where this process was started by an MPI launcher, else alone.  MeasureError where a launcher's marks are there
/// and MPI is not usable: N processes that do not know of each other must not measure.
std::unique_ptr<Communicator> make_communicator();

}  // namespace assay
