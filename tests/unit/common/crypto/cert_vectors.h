/* A pair made with `openssl req -x509 -newkey rsa:2048 -days 3650 -nodes -subj /CN=plant`, and the hash that
 * `openssl x509 -pubkey | openssl pkey -pubin -outform der | sha256sum` prints. It guards nothing. */
#ifndef TESTS_UNIT_COMMON_CRYPTO_CERT_VECTORS_H
#define TESTS_UNIT_COMMON_CRYPTO_CERT_VECTORS_H

#define VECTOR_AGENT_ID "f210f42bc9d6b266534f822c1cd3cb6382b7f4cd3997d984cc43ce2e2f71f8f0"

static const char vector_cert[] = "-----BEGIN CERTIFICATE-----\n"
                                  "MIIDATCCAemgAwIBAgIURfU+LiyZ2B9oruBk739g7rEHFUkwDQYJKoZIhvcNAQEL\n"
                                  "BQAwEDEOMAwGA1UEAwwFcGxhbnQwHhcNMjYxMTIwMjM0NTE2WhcNMzYxMTE3MjM0\n"
                                  "NTE2WjAQMQ4wDAYDVQQDDAVwbGFudDCCASIwDQYJKoZIhvcNAQEBBQADggEPADCC\n"
                                  "AQoCggEBAK/xjwimlZR2Z7bL+D5A3yXzHGMHOOxLUWLuDRC3u1z2tI37dVnW0JSH\n"
                                  "VbCgn3K7BCi9fFuNyYZ8YfJrG2zFnNSPawbOOWtz37JyBPExUxgyqRTrbc4q949g\n"
                                  "xZGIVtuPCD6bgMtGtUngZyqi3WSJ5bzPK4eJVrDSfgXZUTARV59BNjQEjcddvb80\n"
                                  "2kqW0q2DDLL7JlPlzl3cDobmu89yKUbHtrvqcbwQcYfiwkBkmKPWz46oPYaRITwq\n"
                                  "lkJJAI0P3aF34HTxYXFfHyFj5lZ6r4KphHtS6wbPw70paNKJcvoRvyPnP4VE1ngU\n"
                                  "W9ntrHIUWL1y3cdd5otmzQg7V6Y6CcMCAwEAAaNTMFEwHQYDVR0OBBYEFGYCpuIo\n"
                                  "DfqS0q8f0Ou9CCMQlzNzMB8GA1UdIwQYMBaAFGYCpuIoDfqS0q8f0Ou9CCMQlzNz\n"
                                  "MA8GA1UdEwEB/wQFMAMBAf8wDQYJKoZIhvcNAQELBQADggEBAJaTrRLsV8iQmHFo\n"
                                  "aJxGUPgG2oQTeZZNoKuC0ygnmiEasWT2a91m4bYDIKBZCdSfh+9w+2m2e1Opg2//\n"
                                  "I1yu9DlUK6Iu88Gpbk2pKCHSbqG83zq4syoy2ssu7jADz3XKp731g1d+cvFsWdqH\n"
                                  "KP8nc04OFpPiwHjyc+oWbFJT19RvJVgDn0MqfDTEtFYHlww1Xxuk2FkktddE2nEG\n"
                                  "yJbcc2qlwI47UmZNuOwqLM5KL/RsaTl7c3hs0Qb2YIdc0JinLL/OKwjjGa+srLyP\n"
                                  "QbvUz6jztddnnoqeJd/kY+gvpGSNbVcCgwsFxKNdzVWB+XcmPfIEHEdNZnACGR1F\n"
                                  "ZvNQpKo=\n"
                                  "-----END CERTIFICATE-----\n";

static const char vector_cert_key[] = "-----BEGIN PRIVATE KEY-----\n"
                                      "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCv8Y8IppWUdme2\n"
                                      "y/g+QN8l8xxjBzjsS1Fi7g0Qt7tc9rSN+3VZ1tCUh1WwoJ9yuwQovXxbjcmGfGHy\n"
                                      "axtsxZzUj2sGzjlrc9+ycgTxMVMYMqkU623OKvePYMWRiFbbjwg+m4DLRrVJ4Gcq\n"
                                      "ot1kieW8zyuHiVaw0n4F2VEwEVefQTY0BI3HXb2/NNpKltKtgwyy+yZT5c5d3A6G\n"
                                      "5rvPcilGx7a76nG8EHGH4sJAZJij1s+OqD2GkSE8KpZCSQCND92hd+B08WFxXx8h\n"
                                      "Y+ZWeq+CqYR7UusGz8O9KWjSiXL6Eb8j5z+FRNZ4FFvZ7axyFFi9ct3HXeaLZs0I\n"
                                      "O1emOgnDAgMBAAECggEAUwyr3oJ7grutUxzOjdwjOQ+ba6ciGG+o+BCz/BsuBsCx\n"
                                      "E4AJsaFzjVigeyImgYqDeROQWsr/wEqAFWS3ak2RLMiR1YGMmwr0IZAugwcsWPS4\n"
                                      "2RYUG8guWPBt8bcwgKzwUFUoo0s6EagqKnb8GBP7bHdB7dVHJWoGcI5XA2B8QsBF\n"
                                      "y8YfWx44/btxSLSchCZatZsxRlgFnFwwdCr2BEiR6D7pmtaoJveGGqj471OXyqVE\n"
                                      "HBJoOe5kuS3m1tX62xk6J3y6EAzAPeTrz7dUup8Wsf3bkyNFue7Bf3SEYn/i2WK3\n"
                                      "4/2vAPfOY9AZ5cSBavKYi2KBuSwsaoEEjy1QYbnKwQKBgQDfixEeMW6TZw8eZysP\n"
                                      "KDWIqTYFV3SNGzdxIcapILH2wBdUynn45iTgVlADZ+3xmDfSJicVqEd7CXyL1e3e\n"
                                      "aTHBcOJpC/ua8mzByBy16kjBIO/FvjMSSMrFkIjyqsYFJ7ABF/FeRI3UNXnG+zKh\n"
                                      "rJvbCNzUK1hU/1M9lIgaIkGS4wKBgQDJfT/GiJKrkLkLY5mIgr0NkVBa/gl/hXoY\n"
                                      "5xQ4lxx/8bVKiLY3oOK+txaRZP4DNOxVfSwXG5hZ7U9lBlJUs8bDWOcVEzhS6GYl\n"
                                      "/1syB0k/qYba15UJM489CFsD/M/OXmwGw+S1XOTtGEVhVxGCp1Cf0RxrzuZdh9PY\n"
                                      "76Ak7+wDoQKBgGyDMEMM0dVh0Lf8cq1/4kS9hwiexGf+zzHuqGXPBjR2WJ0DUKQe\n"
                                      "68WugFa26408S9SKSqy7rD8wgrHKnhY50DpLlsxRUciMZ3jFsBIqcTi2yU2fH2F/\n"
                                      "zlaK67+IYGl+M3TEb5lIA+UANGX/6DsM8/cmXTPs+osACiM5Z7vv5w7rAoGBAJJX\n"
                                      "DK32XYiMOUnDUiyqwAKNqy4bWeyrli1mD/K2FfX7KK/0sVuf12+q7JI3JqJPmuLQ\n"
                                      "Yeh6m2GdEVAPklaAp/kTpepRplPZBO/OEn84eYPqbc6eS1l+gCdU3T39LTT2sUEM\n"
                                      "oBz1VjO5sBJtuYMKYG1i5GCMyhXeZAgoqkiJlQJhAoGBAI3rmjpRCZkv4YoFe0TC\n"
                                      "wfrezLYIrcIyryo4+LDKEogaPGx12oTgxXedYQ9K9/AYF/NMcfnQWyv/5t4/yXkO\n"
                                      "5+b0LgkTOacGjIXRgMIQxtAda9OT1HgA7y/TRNKrO9zy3+yNuKCf28tSs7mWwQS/\n"
                                      "0wan4OkbGhnrrvsLAW7Zd5CR\n"
                                      "-----END PRIVATE KEY-----\n";

#endif
