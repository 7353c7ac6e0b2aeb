;; Reads, writes and lists the host's own entries, and would answer 200 if it could.
;;
;; request: write harm
;; status: 400
;; error: key

(data (i32.const 4096) ".airlock/redo")
(global $taken (mut i32) (i32.const 0))
(func $count (param $returned i32)
  (if (i32.eqz (call $failed (local.get $returned))) (then (global.set $taken (i32.const 1)))))
(func $hostile (result i32)
  (call $put (i32.const 4096) (i32.const 13) (i32.const 2112) (i32.const 3) (i32.const 0) (i32.const 64))
  (call $count (i32.const 64))
  (call $delete (i32.const 4096) (i32.const 13) (i32.const 64))
  (call $count (i32.const 64))
  (call $get (i32.const 4096) (i32.const 13) (i32.const 64))
  (call $count (i32.const 64))
  (call $list (i32.const 4096) (i32.const 9) (i32.const 64))
  (call $count (i32.const 64))
  (call $list-page (i32.const 4096) (i32.const 9) (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 64))
  (call $count (i32.const 64))
  (if (global.get $taken) (then (return (call $benign))))
  (call $pass-on (i32.const 64)))
