// What the verbs print on, and whether this process is the one that prints.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "harness/publish/style.h"

namespace assay {

/// Columns of the terminal on stdout; a usual width where it is none.
int terminal_columns();

/// Its width; in colour where stdout is a terminal that has colours and the environment has no NO_COLOR (no-color.org).
Style terminal_style();

/// False on the ranks of an MPI launcher that stay silent: all but the first.
bool is_printing_process();

/// A standard stream that came closed is opened so that writing to it fails: else the next file opened, a journal,
/// would take its number and receive what is printed.
void occupy_standard_streams();

/// To stdout, in this process or in none.  MeasureError where it cannot be written; a reader that has left (`| head
/// -1`) is none, it has what it wanted.
void print(std::string_view text);

/// The same of text for people: on a terminal no line is wider than it is, and a file's text moves no cursor.
void print_text(std::string_view text);

/// From here on nothing is printed; the exit code, files and errors say what is to be said.
void be_quiet(bool quiet = true);

/// The command line's own spelling nearest to `word`; empty where none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace assay
