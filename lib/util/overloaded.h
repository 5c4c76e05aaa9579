// A visitor of a std::variant made of one lambda for each kind.
#pragma once

namespace hikyaku::util {

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;  // for clang-16

}  // namespace hikyaku::util
