// The form of telemetry in a record: what measuring fills.
#pragma once
#include "harness/measure/telemetry.h"
