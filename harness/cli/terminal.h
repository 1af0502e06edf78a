// What the verbs print on, and whether this process is the one that prints.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace assay {

/// Columns of the terminal on stdout; a usual width where it is none.
int terminal_columns();

/// False on the ranks of an MPI launcher that stay silent: all but the first.
bool is_printing_process();

/// A standard stream that came closed is opened so that writing to it fails: else the next file opened, a journal, would
/// take its number and receive what is printed.
void occupy_standard_streams();

/// To stdout, in this process or in none.  MeasureError where it cannot be written; a reader that has left (`| head -1`)
/// is none, it has what it wanted.
void print(std::string_view text);

/// The command line's own spelling nearest to `word`; empty where none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace assay
