// When a step would end, from what its launches take by themselves.
#pragma once
#include <cstdint>
#include <vector>

namespace assay {

struct ProjectedLaunch {
  double seconds = 0;  // alone
  enum class Way : std::uint8_t { in_turn, beside, waits } way = Way::in_turn;
  /// Of one that runs beside: what the launches beside all of it take longer for it.
  double lost = 0;
};

/// Launches in turn follow each other.  Those that run beside follow each other too, from where each is started, and
/// one that waits comes after all of them.
///
/// While something runs beside, both share what they run on (cores, multiprocessors, memory) and are slowed alike, by
/// 1 + lost / seconds: nothing lost is a transfer that another engine does; what it takes alone lost is one core taking
/// turns, which hides nothing; more is what it costs to take turns (a rank that waits for one whose core computes).
double projected_seconds(const std::vector<ProjectedLaunch>&);

}  // namespace assay
