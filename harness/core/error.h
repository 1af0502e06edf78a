// Errors: exceptions that carry the exit code they end in, up to the verb, where they become one line on stderr.
#pragma once
#include <stdexcept>
#include <string>

namespace assay {

/// The exit codes are a contract: scripts depend on them.
enum class ExitCode : int {
  ok = 0,                 // done, and every verdict asked for passed
  verdict_failed = 1,
  bad_input = 2,          // the command or a file is wrong
  wrong_numbers = 3,      // a kernel computed wrong numbers
  could_not_measure = 4,  // no such device, unfit machine, nothing ran, time-out, lost peer
};

class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code(code) {}
  ExitCode code;
};

/// The command line or a file is wrong.  The message names the place and says what would be right.
class InputError : public Error {
 public:
  explicit InputError(const std::string& message) : Error(ExitCode::bad_input, message) {}
};

/// The machine cannot do what was asked.
class MeasureError : public Error {
 public:
  explicit MeasureError(const std::string& message) : Error(ExitCode::could_not_measure, message) {}
};

}  // namespace assay
