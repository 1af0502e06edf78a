// Happens-before checking of global memory.  Threads of different clusters are ordered only by what PTX calls strong
// operations at gpu scope: release and acquire, or fences around relaxed and atomic accesses.
#pragma once
#include <array>
#include <unordered_map>

#include "tests/simt/machine/clocks.h"

namespace simt {

/// How an access takes part in synchronisation between threads of the grid.
struct Strength {
  bool strong = false;  // relaxed, volatile or atomic, at gpu or system scope
  bool acquire = false, release = false;
  bool atomic = false;  // read-modify-write: continues a release sequence that a plain store would end
};

/// What a release publishes: clocks by cluster.
using Published = std::map<unsigned, std::shared_ptr<const std::vector<Clock>>>;
void merge(Published& into, const Published& from);

class GlobalMemory {
 public:
  /// The two sides of a race between an access being made and an earlier one.
  struct Conflict {
    bool earlier_is_write = false;
    unsigned cluster = 0;
    Epoch earlier;
  };

  /// Records an access by `self` of `cluster`, whose history is `view`.  True and `conflict` filled in at a race.
  bool access(std::uint64_t address, std::uint32_t bytes, bool is_write, bool strong, unsigned cluster, Epoch self,
              const Clocks& view, Conflict& conflict);

  /// The synchronisation carried by a location.
  Published& location(std::uint64_t address) { return locations_[address]; }

  std::uint64_t version = 0;  // bumped by every write: something that a polling thread may wait for

 private:
  struct Mark {
    Epoch epoch;
    unsigned cluster = 0;
    bool strong = false;
  };
  struct Granule {  // two bytes
    Mark write, read[2];
  };
  static constexpr std::uint64_t kGranules = 2048;  // a page of shadow covers 4 KiB
  using Page = std::array<Granule, kGranules>;
  static bool ordered(const Mark&, unsigned cluster, const Epoch& self, const Clocks& view);
  Granule& granule(std::uint64_t address);

  std::unordered_map<std::uint64_t, std::unique_ptr<Page>> pages_;
  std::unordered_map<std::uint64_t, Published> locations_;
};

}  // namespace simt
