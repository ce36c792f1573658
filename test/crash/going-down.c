/*
 * Cuts the power of one mounted filesystem: what was not synced is gone, and the journal is replayed when it is
 * mounted again. Waits for a byte on standard input first, so that the cut comes in the moment it is asked for.
 *
 *   cc -o going-down going-down.c && ./going-down MOUNTPOINT
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define GOINGDOWN _IOR('X', 125, unsigned int) /* of XFS; ext4 and others have it too */
#define NOLOGFLUSH 2                           /* do not even write out the journal */

int main(int argc, char **argv)
{
    unsigned int how = NOLOGFLUSH;
    char byte;
    int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;

    if (fd < 0) {
        perror("going-down");
        return 1;
    }
    if (write(1, "\n", 1) != 1 || read(0, &byte, 1) != 1)
        return 1;
    if (ioctl(fd, GOINGDOWN, &how) < 0) {
        perror("going-down: ioctl");
        return 1;
    }
    return 0;
}
