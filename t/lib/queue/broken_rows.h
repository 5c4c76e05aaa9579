// Damages an index as bits that rot would. Rows are changed while nobody has it open, and what is around them stays
// good.
#pragma once

#include <functional>
#include <string>

namespace hikyaku::queue {

// Gives each row of `table` to `change`, by its key. What comes back different takes the row's place; without a key the
// row is gone. Returns how many were changed.
size_t change_rows(const std::string& folder, const std::string& table,
                   const std::function<void(std::string& key, std::string& value)>& change);

// One bit of the values whose row is wanted.
void flip_values(const std::string& folder, const std::string& table,
                 const std::function<bool(const std::string& key)>& wanted = {});

// Changes a byte of each place where the file has the text, also while the index is in use.
void spoil_text(const std::string& folder, const std::string& text);

// Makes each branch page of the file its own child, so that a walk down its tree has no end.
void close_circles(const std::string& folder);

}  // namespace hikyaku::queue
