// What `--help` prints.
#pragma once
#include <string>

namespace CLI {
class App;
}

namespace assay {

/// Of the program, or of a verb called `assay VERB`: what it does, its arguments and flags with their ranges and
/// defaults, its footer; in lines of at most `columns` where no single word is longer.
std::string help_of(const CLI::App&, int columns);

/// "Suites: acceptance, all_reduce, ...": the names built into the program under a folder of configs/.
std::string shipped_names(const std::string& title, const std::string& folder);

}  // namespace assay
