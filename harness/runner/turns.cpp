#include "harness/runner/turns.h"

#include <algorithm>
#include <map>
#include <utility>

namespace assay {
namespace {

/// Of what is free, what the buffers of a group may take together: the rest is for workspaces, packed operands and host
/// copies, of which every case of the group has its own.
constexpr double kSharedMemory = 0.4;

/// The same for all kernels of a point, or for what the suite gave one name; of one backend, whose time they take.
using Key = std::pair<const Backend*, std::string>;
Key key_of(const Case& point, Machine& machine) {
  return {&machine.backend_for(point), point.in_turns.empty() ? point.point_id() : "in turns: " + point.in_turns};
}

bool takes_turns(const PlannedCase& planned, const Todo& todo) {
  return planned.support.ok() && planned.point.mode == Mode::burst && todo.interrupted_attempts == 0;
}

double shared_memory(const Case& point, Machine& machine) {
  const Backend& backend = machine.backend_for(point);
  std::size_t least = backend.free_bytes();
  for (int slot = 1; slot < backend.slots(); ++slot) least = std::min(least, backend.free_bytes(slot));
  return kSharedMemory * double(least);
}

/// A group that takes more.
struct Open {
  std::size_t group = 0;
  double bytes_left = 0;
};

}  // namespace

std::vector<std::vector<std::size_t>> arrange_turns(const std::vector<PlannedCase>& planned,
                                                    const std::vector<Todo>& todo, Machine& machine,
                                                    Communicator& communicator) {
  std::vector<std::vector<std::size_t>> groups;
  std::map<Key, Open> open;
  for (std::size_t i = 0; i < planned.size(); ++i) {
    if (todo[i].done) continue;
    if (!takes_turns(planned[i], todo[i])) {
      groups.push_back({i});
      continue;
    }
    const Key key = key_of(planned[i].point, machine);
    const double bytes = double(planned[i].bytes);
    const auto found = open.find(key);
    const bool fits_here = found != open.end() && bytes <= found->second.bytes_left;
    if (communicator.maximum(fits_here ? 0 : 1) == 0) {
      groups[found->second.group].push_back(i);
      found->second.bytes_left -= bytes;
    } else {
      open[key] = {groups.size(), shared_memory(planned[i].point, machine) - bytes};
      groups.push_back({i});
    }
  }
  return groups;
}

}  // namespace assay
