/* libnss_hangs.so.2: a directory of users 70000 to 79999 and of no hosts, for tests. In the folder NSS_HANGS the file
 * "hang" makes it hang while it is there, the file "down" makes it fail. */
#include <errno.h>
#include <netdb.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int there(const char *name)
{
	char path[4096];
	const char *folder = getenv("NSS_HANGS");

	snprintf(path, sizeof(path), "%s/%s", folder ? folder : ".", name);
	return access(path, F_OK) == 0;
}

enum nss_status _nss_hangs_getpwuid_r(uid_t uid, struct passwd *entry, char *buffer, size_t size, int *error)
{
	if (uid < 70000 || uid > 79999) {
		*error = ENOENT;
		return NSS_STATUS_NOTFOUND;
	}
	while (there("hang"))
		usleep(20000);
	if (there("down")) {
		*error = EAGAIN;
		return NSS_STATUS_UNAVAIL;
	}
	if (snprintf(buffer, size, "dir-user-%u", uid) >= (int)size) {
		*error = ERANGE;
		return NSS_STATUS_TRYAGAIN;
	}
	entry->pw_name = entry->pw_passwd = entry->pw_gecos = entry->pw_dir = entry->pw_shell = buffer;
	entry->pw_uid = entry->pw_gid = uid;
	return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_hangs_gethostbyname2_r(const char *name, int family, struct hostent *entry, char *buffer,
					    size_t size, int *error, int *host_error)
{
	(void)name, (void)family, (void)entry, (void)buffer, (void)size;
	while (there("hang"))
		usleep(20000);
	*error = ENOENT;
	*host_error = HOST_NOT_FOUND;
	return NSS_STATUS_NOTFOUND;
}
