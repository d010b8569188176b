#pragma once

#include <string>
#include <vector>

#include "providers/postgresql/row_query.h"

/// How PostgreSQL hashes rows by itself, for RangeHashes.
///
/// A row is what `record_send` makes of it: for each field its type's number, its length (-1 for NULL) and the bytes
/// that COPY in binary format sends, of the expressions that `hashed_of` names. So NULL, an empty text and a cell that moved
/// to the next field are told apart, no setting of the session changes anything, and equal bytes are values that the
/// reader decodes alike. A range is the count of its rows and the sums, in 128 bits, of two hashes of 64 bits with two
/// seeds (`hash_array_extended`, which hashes the one element by Jenkins' lookup3): a row that is there twice counts
/// twice, where an exclusive or would let it vanish. Two different tables look equal by chance once in 2^128, as with
/// the hashes that rows are compared by elsewhere.
///
/// Ruled out: `hash_record_extended`, the fastest, adds up the hashes of a row's fields (modulo 2^64), so that a sum over
/// rows need not change when two rows swap a cell, and folds an int8 and a timestamp into 32 bits first; md5 is dearer,
/// mostly for turning its text into numbers; the row's text takes longer to make than its bytes and depends on settings.
///
/// Hashes are those of this server's version and byte order; no version since 11 has changed them, and the form holds a
/// sample. All of it may run in parallel workers.
namespace syncflow::postgresql {

/// One hash of what never changes: servers that hash alike give the same.
extern const char* const kHashProbe;

/// How rows of these fields are hashed, and where among them the key is; empty: a field cannot be hashed, the key is not
/// among them, or it may be null.
std::string row_hash_form(const ReadPlan& plan, const std::vector<std::string>& fields);

/// Selects number, rows and two sums of each range of the query's rows.
std::string row_hash_statement(const ReadPlan& plan, const sql::RowQuery& query,
                               const std::vector<std::string>& fields, int bits);

/// The number of the range that a row is in, as an expression; `bits` is at least 1.
std::string range_number(const ReadPlan& plan, int bits);

}  // namespace syncflow::postgresql
