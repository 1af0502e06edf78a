// Reads a PTX file: module-scope variables, entry functions, their statements.
#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "tests/simt/ptx/decoder.h"

namespace simt::ptx {
namespace {

using Files = std::map<int, std::string>;
using Variables = std::map<std::string, std::uint64_t>;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t p = 0; p < text.size();) {
    const std::size_t end = std::min(text.find('\n', p), text.size());
    lines.push_back(text.substr(p, end - p));
    p = end + 1;
  }
  return lines;
}

/// The lines that may declare a variable: few, of which every kernel asks for its own.
std::vector<std::string> declarations_of(const std::string& text) {
  std::vector<std::string> found;
  for (auto& line : lines_of(text)) {
    const auto first = line.find_first_not_of(" \t");
    if (first == line.npos || line[first] != '.') continue;
    for (const char* space : {".global", ".const", ".shared"})
      if (line.find(space) != line.npos) {
        found.push_back(std::move(line));
        break;
      }
  }
  return found;
}

Files source_files(const std::string& text) {
  Files files;
  for (const auto& line : lines_of(text)) {
    int number;
    char path[512];
    if (std::sscanf(line.c_str(), " .file %d \"%511[^\"]\"", &number, path) != 2) continue;
    const std::string s = path;
    // Of a folder ptx/ the name keeps the folder: like headers named ptx*, it holds thin wrappers.
    const auto folder = s.rfind("/ptx/"), name = s.rfind('/');
    files[number] = s.substr(folder != s.npos && folder + 4 == name ? folder + 1 : name + 1);
  }
  return files;
}

/// A declaration's type width, alignment, element count and name: ".align 4 .b8 table[16]".
struct Declaration {
  std::string name;
  std::uint32_t bytes = 1, align = 0, count = 1;

  explicit Declaration(const std::string& text) {
    const auto words = split_words(text);
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (words[i] == ".align") align = std::uint32_t(std::stoul(words[i + 1]));
      if (words[i][0] == '.' && parse_type(words[i].substr(1)) != Type::none)
        bytes = width(parse_type(words[i].substr(1)));
    }
    name = words.back();
    if (const auto b = name.find('['); b != name.npos) {
      count = std::max(1u, std::uint32_t(std::stoul(std::string("0").append(name, b + 1))));
      name = name.substr(0, b);
    }
    if (!align) align = bytes;
  }
};

/// Whether a line of PTX outside functions declares a variable in `space` (".global", ".shared", ...).
bool declares(const std::string& line, const std::string& space, bool is_extern) {
  if (line.find(space) == line.npos) return false;  // most lines: not worth splitting
  auto words = split_words(line);
  bool external = false;
  while (!words.empty() && (words[0] == ".visible" || words[0] == ".weak" || words[0] == ".extern")) {
    external |= words[0] == ".extern";
    words.erase(words.begin());
  }
  return !words.empty() && words[0] == space && external == is_extern;
}

std::string demangle(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status),
                                                    std::free);
  return status == 0 ? text.get() : name;
}

/// "gemm" of "void assay::gemm<128>(Params)".
std::string plain_name(std::string s) {
  s = s.substr(0, s.find_first_of("<("));
  return s.substr(std::max(s.rfind(' ') + 1, s.rfind(':') + 1));
}

/// The statements of one function body, fed to a Decoder.
class BodyReader {
 public:
  BodyReader(const std::string& text, std::size_t at, const Files& files, Decoder& decoder)
      : text_(text), at_(at), files_(files), decoder_(decoder) {}

  std::size_t read() {  // from after the opening brace to after the closing one
    for (int depth = 1; depth;) {
      while (isspace(static_cast<unsigned char>(text_.at(at_)))) ++at_;
      if (text_.compare(at_, 2, "//") == 0)
        at_ = text_.find('\n', at_);
      else if (text_.compare(at_, 4, ".loc") == 0 && isspace(static_cast<unsigned char>(text_[at_ + 4])))
        location();
      else if (text_[at_] == '{')
        ++depth, ++at_, decoder_.open_scope();
      else if (text_[at_] == '}')
        --depth, ++at_, decoder_.close_scope();
      else if (!label())
        statement();
    }
    return at_;
  }

 private:
  /// The line in the kernel: of the chain of inlining, the first that is not in a header of thin instruction wrappers.
  void location() {
    const std::size_t end = text_.find('\n', at_);
    const std::string line = text_.substr(at_, end - at_);
    at_ = end;
    std::vector<std::pair<int, int>> chain;
    int file, number;
    if (std::sscanf(line.c_str(), ".loc %d %d", &file, &number) == 2) chain.emplace_back(file, number);
    if (const auto inlined = line.find("inlined_at"); inlined != line.npos)
      if (std::sscanf(line.c_str() + inlined, "inlined_at %d %d", &file, &number) == 2)
        chain.emplace_back(file, number);
    decoder_.set_location("");
    for (const auto& [f, n] : chain) {
      const auto name = files_.find(f);
      if (name == files_.end() || name->second.rfind("ptx", 0) == 0 || name->second.rfind("sm_", 0) == 0) continue;
      decoder_.set_location(name->second + ":" + std::to_string(n));
      return;
    }
  }

  bool label() {
    std::size_t end = at_;
    while (isalnum(static_cast<unsigned char>(text_[end])) || text_[end] == '_' || text_[end] == '$') ++end;
    if (end == at_ || text_[end] != ':' || text_[end + 1] == ':') return false;
    decoder_.label(text_.substr(at_, end - at_));
    at_ = end + 1;
    return true;
  }

  void statement() {
    const std::size_t end = text_.find(';', at_);
    const std::string s = trim(text_.substr(at_, end - at_));
    at_ = end + 1;
    if (s.empty()) return;
    if (s[0] == '.')
      decoder_.directive(s);
    else
      decoder_.instruction(s);
  }

  const std::string& text_;
  std::size_t at_;
  const Files& files_;
  Decoder& decoder_;
};

void read_parameters(const std::string& list, Kernel& kernel, Decoder& decoder) {
  for (const auto& text : split_list(list)) {
    const Declaration p(text);
    kernel.param_bytes = (kernel.param_bytes + p.align - 1) / p.align * p.align;
    kernel.params.push_back({p.name, kernel.param_bytes, p.bytes * p.count});
    decoder.parameter(p.name, kernel.param_bytes);
    kernel.param_bytes += p.bytes * p.count;
  }
}

/// The declarations, without what follows them, of the lines that declare a variable in `space`.
std::vector<std::string> declarations(const std::vector<std::string>& lines, const std::string& space, bool is_extern) {
  std::vector<std::string> out;
  for (const auto& line : lines)
    if (declares(line, space, is_extern)) out.push_back(trim(line.substr(0, line.find(';'))));
  return out;
}

/// Whether `name` stands in `text` as a whole word.
bool names(const std::string& text, const std::string& name) {
  const auto in_word = [](char c) { return isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$'; };
  for (std::size_t at = 0; (at = text.find(name, at)) != text.npos; at += name.size())
    if (!in_word(text[at + name.size()]) && (at == 0 || !in_word(text[at - 1]))) return true;
  return false;
}

/// Of ".maxntid 128, 2" or ".reqntid 256" between a kernel's parameters and its body; 0 where there is neither.
std::uint32_t max_threads(const std::string& directives) {
  const std::size_t at = directives.find("ntid ");
  if (at == directives.npos) return 0;
  std::uint32_t product = 1;
  for (const auto& extent : split_list(directives.substr(at + 5, directives.find('\n', at) - at - 5)))
    product *= std::uint32_t(std::stoul(extent));
  return product;
}

}  // namespace

Module::Module(const std::string& text) {
  const Files files = source_files(text);
  const auto lines = declarations_of(text);
  Variables variables;
  for (const auto& line : lines) {
    if (!declares(line, ".global", false) && !declares(line, ".const", false)) continue;
    const Declaration v(line.substr(0, line.find_first_of("=;")));
    storage_.push_back(std::make_unique<unsigned char[]>(v.bytes * v.count + 16));
    auto* p = reinterpret_cast<unsigned char*>((reinterpret_cast<std::uintptr_t>(storage_.back().get()) + 15) &
                                               ~std::uintptr_t(15));
    std::memset(p, 0, v.bytes * v.count);
    auto values = line.find('=');
    if (values != line.npos) {
      std::uint32_t k = 0;
      std::string list = trim(line.substr(values + 1, line.find(';') - values - 1));
      if (list[0] == '{') list = list.substr(1, list.rfind('}') - 1);
      std::uint64_t bits;
      for (const auto& x : split_list(list))
        if (k < v.count && parse_number(x, bits, v.bytes)) std::memcpy(p + k++ * v.bytes, &bits, v.bytes);
    }
    variables[v.name] = reinterpret_cast<std::uint64_t>(p);
    variables_.push_back({reinterpret_cast<std::uint64_t>(p), v.bytes * v.count});
  }
  const auto shared = declarations(lines, ".shared", false), extern_shared = declarations(lines, ".shared", true);
  for (std::size_t p = 0; (p = text.find(".entry", p)) != text.npos;) {
    const std::size_t open = text.find('(', p), close = text.find(')', open), body = text.find('{', close);
    Kernel kernel;
    kernel.name = trim(text.substr(p + 6, open - p - 6));
    Decoder decoder(kernel, variables);
    read_parameters(text.substr(open + 1, close - open - 1), kernel, decoder);
    kernel.max_threads = max_threads(text.substr(close, body - close));
    p = body + 1;
    const std::string statements = text.substr(p, text.find("\n}", p) - p);
    // A kernel has the shared variables that it declares, and of the module's those that it names.  Dynamic shared
    // memory starts after all static: its symbols are placed when the body's have been seen.
    for (const auto& declaration : shared)
      if (names(statements, Declaration(declaration).name)) decoder.directive(declaration);
    for (const auto& declaration : extern_shared) decoder.extern_shared(Declaration(declaration).name);
    p = BodyReader(text, p, files, decoder).read();
    decoder.finish();
    kernels_.push_back(std::move(kernel));
  }
  for (auto& k : kernels_) k.variables = &variables_;
}

const Kernel& Module::kernel(const std::string& part) const {
  std::vector<const Kernel*> found;
  std::string names;
  for (const auto& k : kernels_) {
    const std::string full = demangle(k.name);
    if (full.find(part) == full.npos && k.name != part) continue;
    if (plain_name(full) == part || k.name == part) return k;
    found.push_back(&k);
    names += "\n  " + full;
  }
  if (found.size() == 1) return *found[0];
  if (found.empty())
    for (const auto& k : kernels_) names += "\n  " + demangle(k.name);
  throw Error(Fault::Unsupported,
              (found.empty() ? "no kernel is named " : "several kernels are named ") + part + "; there are:" + names);
}

std::string ptx_text(const std::string& build_folder, const std::string& name) {
  std::ifstream file;
  if (const char* folder = std::getenv("ASSAY_SIMT_PTX_DIR")) file.open(std::string(folder) + "/" + name + ".ptx");
  if (!file.is_open()) file.clear(), file.open(build_folder + "/" + name + ".ptx");
  if (!file) throw std::runtime_error("cannot read " + name + ".ptx in " + build_folder);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace simt::ptx
