// Who is lost: a judgement over what every rank last said of itself.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "harness/communicators/rank_status.h"

namespace assay {

/// What rank 0 knows of a rank.
struct RankView {
  enum class State { awaited, present, left, ended };  // left: in order, after its last operation
  RankIdentity identity;
  RankStatus status;  // as it was last heard
  State state = State::awaited;
  double silent_seconds = 0;  // since then
};

/// How many times as long as one operation a rank may do without any: preparing and checking compute for longer than a
/// launch, and say so between the steps of what may last (Communicator::goes_on).
inline constexpr double kIdleDeadlines = 10;

struct Loss {
  std::vector<int> culprits;  // empty: no rank is behind the others
  std::string what;           // one line
};

/// In this order, the first that holds:
/// 1. a process has ended without leaving in order;
/// 2. ranks came to an operation of one number with different ones (or launches of different sizes): the minority, or
///    of two the one that is not with rank 0.  Numbers are compared, not moments, so that an old status accuses nobody;
/// 3. a process has not come, or has said nothing, for `deadline` seconds: stopped, or its host or network is gone;
/// 4. a rank is in one operation for longer than `deadline`: whoever is furthest behind in the order; of these, those
///    who are in no operation at all.  Where all are in the same one (a launch that ends nowhere), nobody is accused.
/// 5. no rank is in an operation, or has been, for kIdleDeadlines times the deadline: nobody is accused.
std::optional<Loss> find_loss(const std::vector<RankView>&, double deadline);

/// Lines with where every rank is, for below the accusation; of many ranks, the first and those at fault.
std::string describe_all(const std::vector<RankView>&, const Loss&);

}  // namespace assay
