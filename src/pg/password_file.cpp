// Reads a password, see password_file.hpp.

#include "pg/password_file.hpp"

extern "C" {
#include "storage/fd.h"
}

#include <sys/stat.h>

namespace cloudsat::pg {

// Deliberately short: a password is not a document.
std::string_view read_password(const char* path) {
    constexpr int most = 1024;
    char* line = static_cast<char*>(palloc(most + 1));
    FILE* file = AllocateFile(path, "r");
    struct stat status {};
    if (file == nullptr || fstat(fileno(file), &status) != 0) {
        const char* reason = pstrdup(strerror(errno));
        ereport(ERROR, errcode_for_file_access(),
                errmsg("could not open password file \"%s\": %s", path, reason));
    }
    if (!S_ISREG(status.st_mode)) {
        ereport(ERROR, errcode(ERRCODE_WRONG_OBJECT_TYPE),
                errmsg("password file \"%s\" is not a regular file", path));
    }
    errno = 0;
    std::size_t size = fread(line, 1, most + 1, file);
    if (ferror(file) != 0) {
        const char* reason = pstrdup(strerror(errno));
        ereport(ERROR, errcode_for_file_access(),
                errmsg("could not read password file \"%s\": %s", path, reason));
    }
    FreeFile(file);
    std::string_view text(line, size);
    text = text.substr(0, text.find_first_of("\r\n"));
    if (text.empty() || text.size() > most) {
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("password file \"%s\" holds no usable password", path),
                errdetail("Its first line must have between 1 and %d bytes.", most));
    }
    return text;
}

} // namespace cloudsat::pg
