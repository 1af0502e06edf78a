// A case's fault ends in its record, never in the run.
#pragma once
#include <exception>
#include <string>

namespace assay {

/// What a step threw, as text; empty where it went well.
template <class Step>
std::string failure_of(Step&& step) {
  try {
    step();
    return {};
  } catch (const std::exception& error) {
    return *error.what() ? error.what() : "an error without a message";
  } catch (...) {
    return "an error of an unknown kind";
  }
}

}  // namespace assay
