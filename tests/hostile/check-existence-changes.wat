;; Answers its existence check at random and reads a key there that every caller writes, so that a repeated check may
;; answer differently.
;;
;; request: write harm
;; status: 200
;; or: 412 another request

(func $check (param $request i32) (result i32)
  (if (call $is-benign (local.get $request)) (then (return (call $nothing))))
  (call $get (i32.const 2112) (i32.const 3) (i32.const 64))
  (call $random (i32.const 1) (i32.const 64))
  (i32.store8 (i32.const 1796) (i32.const 1))
  (i32.store8 (i32.const 1797) (i32.and (i32.const 1) (i32.load8_u (i32.load (i32.const 64)))))
  (call $nothing))

;; It writes the key late, so that the checks of other callers have run by then.
(func $hostile (result i32)
  (local $count i32)
  (call $get (i32.const 2112) (i32.const 3) (i32.const 64))
  (loop $again
    (local.set $count (i32.add (local.get $count) (i32.const 1)))
    (br_if $again (i32.lt_u (local.get $count) (i32.const 10000000))))
  (call $put (i32.const 2112) (i32.const 3) (i32.const 2112) (i32.const 3) (i32.const 0) (i32.const 64))
  (call $benign))
