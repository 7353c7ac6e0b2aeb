;; Writes, reads and deletes keys that storage cannot hold or that belong to another mount, and would answer 200 if one
;; were accepted.
;;
;; request: write harm
;; status: 400
;; error: key

(data (i32.const 4096) "a//b")
(data (i32.const 4112) "./a")
(data (i32.const 4128) "a/../b")
(data (i32.const 4144) "../sys/token")
(data (i32.const 4160) "/a")
(global $taken (mut i32) (i32.const 0))

(func $count
  (if (i32.eqz (call $failed (i32.const 64))) (then (global.set $taken (i32.const 1)))))

(func $try (param $key i32) (param $bytes i32)
  (call $put (local.get $key) (local.get $bytes) (i32.const 2112) (i32.const 3) (i32.const 0) (i32.const 64))
  (call $count)
  (call $get (local.get $key) (local.get $bytes) (i32.const 64))
  (call $count)
  (call $delete (local.get $key) (local.get $bytes) (i32.const 64))
  (call $count))

(func $hostile (result i32)
  (call $try (i32.const 4096) (i32.const 0))
  (call $try (i32.const 4096) (i32.const 4))
  (call $try (i32.const 4112) (i32.const 3))
  (call $try (i32.const 4128) (i32.const 6))
  (call $try (i32.const 4144) (i32.const 12))
  (call $try (i32.const 4160) (i32.const 2))
  (call $try (call $repeat (i32.const 0x61) (i32.const 1048576)) (i32.const 1048576))
  (if (global.get $taken) (then (return (call $benign))))
  (call $pass-on (i32.const 64)))
