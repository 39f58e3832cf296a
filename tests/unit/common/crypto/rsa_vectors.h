/* Keys and signatures made with another implementation (Python's cryptography, on OpenSSL): every signature
 * is over VECTOR_MESSAGE. Test keys: they guard nothing. */
#ifndef TESTS_UNIT_COMMON_CRYPTO_RSA_VECTORS_H
#define TESTS_UNIT_COMMON_CRYPTO_RSA_VECTORS_H

#define VECTOR_MESSAGE     "2026-02-22T10:00:00Z"
#define VECTOR_FINGERPRINT "037e4035e400294a51f2a6bf45d5a4e1334678b04c65ce78d5073e432b42581b"

static const char vector_private_pkcs8[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCoEaSCE1n7JObk\n"
    "EPyuuOMaVubGsOnR8IVAPCGToWbH6kzLhHD3r8WBmHFJYqcREnlRQVB69i2k+KRX\n"
    "lzw9TP+Cm8Q8zN7BbRajPYeQHHQ7qv7lWn02cAFgd+xvdE7cYK3coPKSLAcgJXow\n"
    "GoRwc5VgC0BD2FxX7dJwDfMcjOXL7uF9sy8ZvgCZNLIUD9wNENrJVI1nrN5JyhTC\n"
    "fd7EwtBHKii1l3rc3oU5B0vhPZKQquOUnojM4eUfS4ap9d07tXnHimmrfKgItJ+K\n"
    "h2eHQ0TGjKrUvix3BTsEWUZoIYa6DvJSbIhMKP5kmbSS4kcbgLQETZem6e+tDpwy\n"
    "dO595vajAgMBAAECggEABMe7rhduz73U81eoWC/aBb3DApO1kssMfy82pURJ8BWx\n"
    "6Xfy3piZPX5gen3b0ph76tu4tkaaNb78raEXjYbLHaPgiPoqu8Wmhy4Q1QB6LdhH\n"
    "N67DMPEumNfQWbstIwd86nGJdK7b5QYr24Jlke03qmungEZ/GeEhwx4idAVt48bz\n"
    "xPO7xvY2WWIUuOs2oOLeIxkCn8Aii2l4H+F2w1ocl62gLmNSVBxJjCwT1JZ0rVCy\n"
    "ybycgMImT015xEER/8eluwiktOWJK+gP7FvQbN+LfreQ9l03n0uiMjI4BFWNmUW1\n"
    "mN0G/QGzhsUyKjMgnrt3YgI+hS7Ki6sibBNG8DBnQQKBgQDVnrr/7K3fStvyUbWW\n"
    "yVw3QGnB2MqPgDcRMY1ZJW5C6eYSIpNBMtNr46RtxXUy4WYXLWu0WSIR6SVfQkW3\n"
    "1OW/l3ts9jXKBFyJGILidnMqe+g6jtH/nv/olsaMwbFNnkE+E4bQQgiKp28OjwkC\n"
    "/WoqQbBYXgfQFU3ff9PkzMJizQKBgQDJaXm7cOjyHfG6882ykpuAp8xYFr7VcSBD\n"
    "Gyi+GBGJ0oYHvWKduZ2Mop9L4280USPSqTQrnJYzsuHjDBr2Cksf//BCQ80s7RoI\n"
    "p1ddaulSkIodDiNjKODcEKzKVF5g0tWM41gBX7tMHtpQZgGH+3d70t8Y6JDbIoJf\n"
    "am4VTUAfLwKBgQDLWxPBVdofWvAOueIX7RAwOM10j6AlA3VolLduScexQ2CVmvx7\n"
    "cJr7dfWt2e87xH6fScniIYfhbQT6regYnD8qKFaC389MxOIiUIcodoIjy1jDhfo7\n"
    "UW1kSUQx8qGKtkB9i7Emx/XBqKp8PYXipsNN/sKVHM5rNByxyso4YQQbcQKBgEQ/\n"
    "cFdacCSyjtmZiWbsFLMoqK5krq9mkNcMWeboAvFfm7j9rG/jmIYyCKZPX7wrjmbw\n"
    "nNP2UFMeVzp3PJ+IZ2JleEUL8nc5tGugQJNQCdXHUnV79/O+w0ruf45jvkMyzdfa\n"
    "pVR52t51SeaaWgR46kjT8HLhQ0xtyh2I09p1/bdTAoGBAKrLQ2tt3v+Tn7wXgldK\n"
    "cxBgihtqf9JDVIlZiViSm8JkCr+uD/uE1h1WxxIQt52cXUNRem092VyjuUGJ3Hxn\n"
    "+ApPWn/G9V74dRTRCJiyCi5JZ5RRfPrk6IgJnLgDXPXCKsW0SzukBxosKYRp/NBR\n"
    "EbYGA0VeTr92B6sY9d+sOkKS\n"
    "-----END PRIVATE KEY-----\n";

static const char vector_private_pkcs1[] =
    "-----BEGIN RSA PRIVATE KEY-----\n"
    "MIIEpAIBAAKCAQEAqBGkghNZ+yTm5BD8rrjjGlbmxrDp0fCFQDwhk6Fmx+pMy4Rw\n"
    "96/FgZhxSWKnERJ5UUFQevYtpPikV5c8PUz/gpvEPMzewW0Woz2HkBx0O6r+5Vp9\n"
    "NnABYHfsb3RO3GCt3KDykiwHICV6MBqEcHOVYAtAQ9hcV+3ScA3zHIzly+7hfbMv\n"
    "Gb4AmTSyFA/cDRDayVSNZ6zeScoUwn3exMLQRyootZd63N6FOQdL4T2SkKrjlJ6I\n"
    "zOHlH0uGqfXdO7V5x4ppq3yoCLSfiodnh0NExoyq1L4sdwU7BFlGaCGGug7yUmyI\n"
    "TCj+ZJm0kuJHG4C0BE2XpunvrQ6cMnTufeb2owIDAQABAoIBAATHu64Xbs+91PNX\n"
    "qFgv2gW9wwKTtZLLDH8vNqVESfAVsel38t6YmT1+YHp929KYe+rbuLZGmjW+/K2h\n"
    "F42Gyx2j4Ij6KrvFpocuENUAei3YRzeuwzDxLpjX0Fm7LSMHfOpxiXSu2+UGK9uC\n"
    "ZZHtN6prp4BGfxnhIcMeInQFbePG88Tzu8b2NlliFLjrNqDi3iMZAp/AIotpeB/h\n"
    "dsNaHJetoC5jUlQcSYwsE9SWdK1Qssm8nIDCJk9NecRBEf/HpbsIpLTliSvoD+xb\n"
    "0Gzfi363kPZdN59LojIyOARVjZlFtZjdBv0Bs4bFMiozIJ67d2ICPoUuyourImwT\n"
    "RvAwZ0ECgYEA1Z66/+yt30rb8lG1lslcN0BpwdjKj4A3ETGNWSVuQunmEiKTQTLT\n"
    "a+OkbcV1MuFmFy1rtFkiEeklX0JFt9Tlv5d7bPY1ygRciRiC4nZzKnvoOo7R/57/\n"
    "6JbGjMGxTZ5BPhOG0EIIiqdvDo8JAv1qKkGwWF4H0BVN33/T5MzCYs0CgYEAyWl5\n"
    "u3Do8h3xuvPNspKbgKfMWBa+1XEgQxsovhgRidKGB71inbmdjKKfS+NvNFEj0qk0\n"
    "K5yWM7Lh4wwa9gpLH//wQkPNLO0aCKdXXWrpUpCKHQ4jYyjg3BCsylReYNLVjONY\n"
    "AV+7TB7aUGYBh/t3e9LfGOiQ2yKCX2puFU1AHy8CgYEAy1sTwVXaH1rwDrniF+0Q\n"
    "MDjNdI+gJQN1aJS3bknHsUNglZr8e3Ca+3X1rdnvO8R+n0nJ4iGH4W0E+q3oGJw/\n"
    "KihWgt/PTMTiIlCHKHaCI8tYw4X6O1FtZElEMfKhirZAfYuxJsf1waiqfD2F4qbD\n"
    "Tf7ClRzOazQcscrKOGEEG3ECgYBEP3BXWnAkso7ZmYlm7BSzKKiuZK6vZpDXDFnm\n"
    "6ALxX5u4/axv45iGMgimT1+8K45m8JzT9lBTHlc6dzyfiGdiZXhFC/J3ObRroECT\n"
    "UAnVx1J1e/fzvsNK7n+OY75DMs3X2qVUedredUnmmloEeOpI0/By4UNMbcodiNPa\n"
    "df23UwKBgQCqy0Nrbd7/k5+8F4JXSnMQYIoban/SQ1SJWYlYkpvCZAq/rg/7hNYd\n"
    "VscSELednF1DUXptPdlco7lBidx8Z/gKT1p/xvVe+HUU0QiYsgouSWeUUXz65OiI\n"
    "CZy4A1z1wirFtEs7pAcaLCmEafzQURG2BgNFXk6/dgerGPXfrDpCkg==\n"
    "-----END RSA PRIVATE KEY-----\n";

static const char vector_private_passphrase[] =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MIIFNTBfBgkqhkiG9w0BBQ0wUjAxBgkqhkiG9w0BBQwwJAQQwaazMpedLg9hgVok\n"
    "i0bVsgICCAAwDAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEFumBQ0BmwDFSX8l\n"
    "c/O6DzcEggTQj5fc23e/z78zHrWt6axApfIVjWAr4/iwTWF7Cb3LoykzZCp0/wSw\n"
    "F4ErDA6CHI4gJyv6WwONC0Axzjxe7lpJ21YnFnvqYmVgYbfMy8EgsNgMV5IrisMI\n"
    "au+TPVZuB2rDdDeufI+wwqykpcWF7N93UZ5sNlN4iXfPeI9FYbL29Htq2+y3/6Zq\n"
    "QB4hlF/KAGJgslYG9x6G/TUWp5T+aRsRWrEJxoi+x1dSvJwDHJk3OPFNMSEtd4ho\n"
    "gxObdTBSixY/YRRKGmqZcu4/lYUV0/39TXEnquPrR0asgtUA6xiNM1y4Z2oqea6S\n"
    "c9cqJ6B24ZYTNQsQUvnaBDpYvNThPLt3HF55FrO541BI8hZ56VkGKnnKuOXnUHiV\n"
    "g0OkyOUiLhPR9bEjx0vX20WZh046FoNSGrRyXxPkO3P0LDdweSfbOPrMsEL7zly6\n"
    "xabS6OPJlTXqWxw/2lrb6kOZPfU/+2DsGBMjFziIfN7uqpckkCtdXlJbjJfAA31M\n"
    "MOpN3xhrqY61wT1eulgGdOMvkSOWwY8r9JnNMNEbFWpn9cLYGQyld/u8wejHn57Q\n"
    "ZrocY3rKetfBjMe3y09xkvdfQpqpDfLFLBP6oNr31KSd6Wt396XrEqtAGYGXDowy\n"
    "uZ9145uVhy+DZDuWOC1wGUTNUYDZfuRVsG8c3QEVXAKYZEN8Y1KrdHnXjTPXCKBn\n"
    "hGKYc5zOUDV3FngQwbphmXL9Ivy9KRIriePDpbRPXziGE3ijzxXKzKMuWoYsADDX\n"
    "kdASwv5nLPjeCHQDhVKSPrhPYcCafHCVmLDaJXGvR118RMxlCOYDuftXnl2XIemA\n"
    "TVK871nVf6gjWgbmvUe/Z8TLdE0VacTWHme1AGf06vK4JKpJIuf1jFzjVm0A2Yok\n"
    "7IASNvlxYTTrxGzU5pCd3lrUfcAvNRa6zS6zKY07jfMJJgPjdECE9IXIXcIYfntH\n"
    "i9O7hjcnpZNQzbTqqMxrg+ovZud0NCQpCQgdMuWQx0KTpWMdErtLkEXf7fIuJUqK\n"
    "CPQWbJyjQ4tFiwxqnJjRCcx/eKtRC1MqBMVyedxX/ZAGOJRbmPKQ58NgobML8yMe\n"
    "FZfTnTKlokuftNA//+PokyrafELYfyoqcuOVb2f7vnd4A/+FruR+c0bCobNKFijA\n"
    "YF6+HVVOoghtt8Ysfeoz3a4VLO17c/zMxJ9kVv8GMKfMf3d+2jXh+NspePMrh+Sy\n"
    "kUVJxWajMX2ql/blEAghR8wOMttsjQozPLqt8M1LvWm+pcc8JIADhDSpTxiQaMbC\n"
    "PhnUDGODrA288/BKXOrQWp16Wm1RUUdO+YsRTPLwKC+12RSmBKMcgfm6jvC2EVNf\n"
    "yS4aUW+bmrDwAAjEAUJfgHePtG18oYSwmnKO0fn9O0/YRFxziSgtVRJqaXG94nhh\n"
    "dO3WE6++eizzrXHb1Y2uz9Hj2lkh8KmuRhTLB5doUolrCsGA2xphmULmPfCo4ZtV\n"
    "kSpI8zCV+fuJi5XEs9loXKPFfGsInOwWD14mxiIwRPXNBtWPjydSPYouyZI4G2zk\n"
    "smNhuPmIpE3v/quafGfw0R/P5cz2nYqt3m/S3aNy/1Iryg6mGBHbCVyl4VGnzhUd\n"
    "kpF4QvOIxPHZJibs0YFRzgFmivN/FoZ224Vq16MM3WIHWRjHb9N271E=\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n";

static const char vector_public[] = "-----BEGIN PUBLIC KEY-----\n"
                                    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqBGkghNZ+yTm5BD8rrjj\n"
                                    "GlbmxrDp0fCFQDwhk6Fmx+pMy4Rw96/FgZhxSWKnERJ5UUFQevYtpPikV5c8PUz/\n"
                                    "gpvEPMzewW0Woz2HkBx0O6r+5Vp9NnABYHfsb3RO3GCt3KDykiwHICV6MBqEcHOV\n"
                                    "YAtAQ9hcV+3ScA3zHIzly+7hfbMvGb4AmTSyFA/cDRDayVSNZ6zeScoUwn3exMLQ\n"
                                    "RyootZd63N6FOQdL4T2SkKrjlJ6IzOHlH0uGqfXdO7V5x4ppq3yoCLSfiodnh0NE\n"
                                    "xoyq1L4sdwU7BFlGaCGGug7yUmyITCj+ZJm0kuJHG4C0BE2XpunvrQ6cMnTufeb2\n"
                                    "owIDAQAB\n"
                                    "-----END PUBLIC KEY-----\n";

static const char vector_public_1024[] = "-----BEGIN PUBLIC KEY-----\n"
                                         "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDN8TZrvKpx8IbzK/W6Uk7w1XSi\n"
                                         "oI1jgHcg4Ohd2W3cmMLUITtfYisjF7aZgQkIJCBKQsEDt4PMjgLWWr2o19b3pxZB\n"
                                         "nvgef1lnEO9NVzOZ00iyTKrGR5C8xLWRLgxtGHxYdWRc4Z4e4uf0d8JNoQvHKpEh\n"
                                         "wS6IfiIvnLLrqWoefwIDAQAB\n"
                                         "-----END PUBLIC KEY-----\n";

static const char vector_public_p256[] = "-----BEGIN PUBLIC KEY-----\n"
                                         "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEFHDk200r4r9puLiO94oDL8uhtE27\n"
                                         "yb2H+kYIbBDoFj4pbOKx02bqu5PmTTmI2S5lwk2hr1Ur4mBa/qPT6Z385Q==\n"
                                         "-----END PUBLIC KEY-----\n";

static const char vector_salt_0[] =
    "18144cebadb0ae4e71a00d72523fb0f1be4cf79eb71ba4d98f644f090127bc8e59c17437b0bc3d4fb658bb6ba011d65b"
    "b7a4220110c11f422ee480770af1ae69d3ea932dc07e5ca7ff817be35884e48447c41a05a5f3031f9e2a15fe42d41d6a"
    "36d90ed2efc4c3d71902441d46ebe46c558dd8c4f592da364e0c394907ebe2db9cefeae16d95064276bedd21d619ddf2"
    "7c6bb3e4b8b41a0555b0dd769ee385489229b179d94221c83f2c846b731ba9c4011a5d22db436869f3e8a45e6f32c287"
    "2d78d6acca0f348d11b2089ccf7d90c1ee5df267381ad3e1275619f31aaf9a6fb36865a5971e7be47499f8ecf67448ad"
    "3978310b834b82c134d9efac44599423";

static const char vector_salt_32[] =
    "11d4d440c102202906cc65fcf0022bdf0a2eaec5092ad1a00e18611daea82cac36ff6fa17a2f4b5e8fb15069519bc2ef"
    "c405f636b58dc25c073315f9205de43fe66f2d9eac142df6196ef92b5213b6b4cfcff67130195cdb1152f7776e8eafa3"
    "96bcba240e0535f3a213c2b6048981091681085d7a195e5ffb660b8d42b9f0d0b7024de3eb4bf69ce5bb5838e710694a"
    "23e813bd619668e0141eda4408c52c354d8ef8d231b42168916326637f854198ba66ccebf53c94d931cde961289d67c6"
    "79fcac896c19b2d922f79729fe4bc7e0fd58bc4c3905f5bc47612887a331fc69876ea462c0f2a2e8f559a1942ec3cc26"
    "dd50c2a9d5290832a8844fba06f23b6e";

static const char vector_salt_max[] =
    "04a3f57f89a526ee76c525b2b4a29c80d46b63e29746ede23988a30fd5fa317f535c607e1aa7be0ccc3cf44e1cd4045d"
    "87ec3ba736a6fdbaa7b09818a734813ec02b7d2783f04b31f150803b578b168500df13daef300bc8cece47c68413c06a"
    "448f3f21516305d298a05e88a7ef0ee6c2a04681d4e5d3922993656ce00dff93e448a0c1ada54c3bf498d8da948153ce"
    "220eeb47749bf7f3ddbc8f6616e1c7838f23e4264979b00121924ca2bd09d1c9ea606afc3dc0f8b49e88d03b6382c076"
    "23c87dda0b2c4e0875c65299be8f671aa63d10434729b57595fa88b5ff7f9ee7c7af3880268dd80c2bb156c9e5810038"
    "316b6aca0ecce764aca7df9a1507b475";

static const char vector_pkcs1_v15[] =
    "4d7212b6a79b17f7bfd4a00516133dacb5c36bb82b0d9875eec86ae6bc9edffabda41366412a80ec09ffbee3c7b575b7"
    "8cffbb844012b474867013ba9629772370586cc3a224614d84ff6a2840a7bb8db9aca9cdeed3f5a3cb4b79713b195f67"
    "260bfdf1e92f40d22259beae1df6d8f28002e5151e16150e3d1aa079eaa0e388b36f667fbd8f5bd9481bb933a63e28e3"
    "7ada691c7384741ad14d753c8f4ad8d3a9e91fbc998846512198575d2dff6e222b9a4d54386e469bb387928ffd857485"
    "deaf37b1b09e0a176d5d3ff9815f60dd21a3ab9f63bf1974f4f23c22f1e090b2b60f74f14c66d8d4d2868a2bb4c97fe3"
    "83a93e8b0ae5dccb2a820042b787e1f2";

static const char vector_sha1[] =
    "5d773dfe6c7d868430caf98260e28d8930558fe4c2e6ed134aa44c25590abf363e5e64c6667b223912e3e2b995d5370c"
    "fa677422a0985faa17e426565c75d0c95cdd40323f2e8b58e622f2dea3e5676100bc9b922cf659e2ed8801bef942dead"
    "9f4bb36c1bba91d3f7d1ded7f11c84acb3c85785e73cdfba98de466bd379446394af8cea416118985f5116626a12f275"
    "1387a22ede35d3a582b7d0ba48ae3ca02eb08fef965a6115f35743dfd176913907afc101ad0f238ce65310dd2cae3fa5"
    "6727aa62b14466112c4535a5bbf60e0ccad69ef651dd572a1ed9feb5a761e413377b91fe905c6cffb49c0d89d350d3a9"
    "f8b4b819e10b57b02eaac4ff996653f0";

static const char vector_sha512[] =
    "2337e3a389bbac8c357704f85d3a617bc29e538e937a6158cef8f357d10c944d52b295dc0b16aee2d04e1f45656afe6b"
    "36b37fea51b1170999818df3c5dacb868b89ac7efc50f682b67dc68c0d40e8380bd3ea1588bbddb9c5d5997f6e525c3d"
    "d5b3c7cc2f9d446ed37cd5921cb3495808837773cb5d283f3b59d4a3647643f05983c257c0b225c6de220fd641008005"
    "c524b45d1689faf1135c0424235442849b0bca356751628fd92f69a54d6e481ed18b50a318b8b7318c5612f953845ac8"
    "dc59e6887db681dbcf0fc3ace53cb0de173f795ffb46855eb6fe0ac4b271219ee9d24e8c5134b664daee81276e758b29"
    "2a9b956ecaf4f6ca0a9d0cfa7b3815f7";

static const char vector_mgf1_sha1[] =
    "6c62b2f7b15648f90b97ceb2c4c7e0c85cce5351d19ed47332a978d282bd093c6009c1d19eddff207b56439719b8b312"
    "93000457e7df27c2f0dae609b20139012f23251cc72ddfdaab567fb4212553b03928c0523468a6b727f35a0ca851d4a5"
    "72908d16fecd39be7eab9f5d3b716ad98eebdbf894c647278c2689615ef5ddb88f0e95cd3f798635d54a35cf8ebba5f1"
    "b8079fbba6c47d013ecbf8059a497fce8375ef2c5ff5e70ac3ac6fdd92bb2c5457544099763de62897b9c2797483e289"
    "d508648f220159916f8f75abbd138d0bfd0e2522f5df6e2a27360226548c6e20937dc61dc43b8696f44fc7cd7ed8465c"
    "1aed0e1394b4f6d8e1ce5cb1146047c5";

#endif
