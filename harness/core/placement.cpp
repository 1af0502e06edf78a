#include "harness/core/placement.h"

#include "harness/core/names.h"

namespace assay {
namespace {

constexpr Named<Placement> kPlacements[] = {
    {Placement::none, "none"}, {Placement::near, "near"}, {Placement::far, "far"}, {Placement::moved, "moved"}};

}  // namespace

const char* name(Placement value) { return find_name(kPlacements, value); }
bool parse(std::string_view text, Placement& out) { return find_value(kPlacements, text, out); }

}  // namespace assay
